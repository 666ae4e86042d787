// Package cluster brings up a real Kubernetes cluster on one Linux machine,
// without a container engine and without virtual machines, hurts it, and takes
// it down again. The command e2e/cmd/cluster runs it; the scenarios of e2e
// attach to what is running.
//
// The cluster is three machines: `control` with etcd, the API server, the
// controllers, the scheduler and a kube-proxy, and the nodes `node-1` and
// `node-2` with containerd, kubelet and kube-proxy. A machine is a process, the
// first of its own PID, mount, network and UTS namespaces, which starts the
// machine's components and starts again those that end. On a machine all files
// are where they always are (/var/lib/kubelet, /run/containerd, /var/log/pods):
// its /var/lib, /var/log and /run are its own.
//
// It guarantees that Down leaves nothing, also after an Up that was killed at
// any instant: with the first process of a machine the kernel takes all its
// processes, mounts, links and packet filter rules. What outlives it (the
// directory, control groups, a link and routes on the host, kernel settings) is
// noted in the state file before it is made. A process is signalled only if its
// start time is the one that was noted.
//
// It refuses to guarantee isolation: the nodes share the kernel, its clock and
// the memory of the host, and containers that are privileged can do here what
// root can.
package cluster
