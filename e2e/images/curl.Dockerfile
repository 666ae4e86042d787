# Debian's package curl as it is, beside the shell and the tools that are in every
# Debian: what a script needs to ask a sidecar.
FROM scratch
ADD rootfs.tar /
USER 65534:65534
CMD ["/bin/sh"]
