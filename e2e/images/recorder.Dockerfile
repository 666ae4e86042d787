# The recorder, a static binary, and nothing else.
FROM scratch
COPY recorder /recorder
USER 65532:65532
ENTRYPOINT ["/recorder"]
