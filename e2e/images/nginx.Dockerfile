# Debian's package nginx as it is. The command is that of its unit file, but in
# the foreground: a container ends with its command, and so does the gate.
FROM scratch
ADD rootfs.tar /
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["/usr/sbin/nginx", "-g", "daemon off; master_process on;"]
