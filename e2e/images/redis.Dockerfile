# Debian's package redis-server as it is, its user from the package's own
# scripts, and the command of its unit file.
FROM scratch
ADD rootfs.tar /
EXPOSE 6379
CMD ["/usr/bin/redis-server", "/etc/redis/redis.conf", "--supervised", "systemd", "--daemonize", "no"]
