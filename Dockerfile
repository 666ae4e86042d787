# The static binary, and links to it under the names that two older sidecars have
# in their images: /elector of k8s-elector, /main of leader-elector. `make image`
# builds it from the binary that `make build` made, for each architecture.
#
# No CA certificates: in a cluster, the API server's are mounted into the Pod
# together with its token; a kubeconfig names its own.
FROM scratch
ARG TARGETARCH
COPY bin/linux-${TARGETARCH}/k8s-await-election /k8s-await-election
# A folder, because COPY follows a link that it is given by name. They cost no
# space, and making them takes no shell.
COPY image/ /
# A number, so that runAsNonRoot can be checked; no name exists here.
USER 65532:65532
ENTRYPOINT ["/k8s-await-election"]
ARG VERSION
LABEL org.opencontainers.image.title="k8s-await-election" \
      org.opencontainers.image.description="Runs a command only while its Pod holds a Kubernetes Lease" \
      org.opencontainers.image.source="https://github.com/k8s-await-election/k8s-await-election" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
