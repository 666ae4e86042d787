// Command bench measures what an election costs, and how long a hand-over
// takes, against a real API server on this machine, and prints a table.
//
// Three replicas compete for one Lease, each gate process 1 of a PID namespace
// of its own, each with an API user of its own; for every run of a fault there
// are new ones, which are first left alone for a while (-settle). The elected
// command is the recorder: all times between two children come from what the
// children themselves wrote down, on CLOCK_BOOTTIME, one millisecond apart.
//
// What is measured (-only chooses):
//
//	term       TERM to the leader's gate, KILL 30 s later as a kubelet does: from
//	           the old child's last sign to the next child's start.
//	child      The leader's child is killed: from the kill to the next start.
//	           A gate that ends is not started again, by this or any other fault.
//	gate       The leader's gate is killed, and with process 1 all it had
//	           started: the next child's start, beyond lease expiry. That is the
//	           start less the instant at which the API server received the last
//	           write of the Lease that it accepted from that gate (audit log),
//	           less the lease's duration. Below zero means that the candidate
//	           took no notice of that write: client-go's takes two renewals
//	           within one second of the wall clock for one.
//	idle       A minute (-idle) in which nothing happens: the requests that
//	           reached the API server (audit log) from each standby and from the
//	           leader, watches counted aside; the bytes of their connections, TLS
//	           included; CPU time of the gate; and resident memory at its end. All
//	           its fleets run side by side.
//	size       The program of the command line.
//	blackhole  Everything between the leader's gate and the API server is held
//	           back, nothing is closed: for how long two children ran at once,
//	           and the next child's start, beyond lease expiry as above.
//	outage     kube-apiserver is killed, and started again a second after the lease
//	           has run out: the next child's start, from the moment at which an
//	           ordinary user is served the Lease again; and how long before the
//	           lease's expiry, as above, the old child gave its last sign.
//	crowd      Many candidates (-crowds) for one Lease: TERM as above, again and
//	           again; and how many writes of the Lease fail in each hand-over.
//	electors   As many candidates (-crowds), all in this process: the electors of
//	           this project's gates, each with connections of its own. From just
//	           before the holder sends its release to the moment at which
//	           another may start its command; and how many writes of the Lease
//	           fail in each hand-over. Beside it the same with candidates that
//	           write as soon as they see the Lease released. A network, gates and
//	           commands are not in the figure; that all candidates and the API
//	           server share this machine's cores is.
//	many       Many leaders (-leases), each on a Lease of its own: the requests,
//	           and the CPU time of kube-apiserver and of a gate, while nothing
//	           happens for as long as for idle.
//	sidecar    Three sidecars, followed by their leader files (inotify) and over
//	           HTTP (each asked some hundred times a second, from the fault on): TERM to the
//	           leader, a kill after which it is started again at once, a black hole
//	           as above, and a stop until another one leads. For how long two
//	           claimed to lead at once, and resident memory.
//	elected    Only one candidate, for a Lease that does not exist yet: how much later
//	           the child starts than without the tool, both in new namespaces, which take more of
//	           the time than either.
//	soak       This project's gates alone: the leadership goes around for a minute
//	           (-soak; make soak takes an hour) and no gate ends (ON_LOST=standby).
//	           Twice a second somebody else takes the Lease, and releases it when
//	           the child is dead; each hundredth time the leader is black-holed
//	           instead. Each gate publishes, labels its Pod and runs a probe. What
//	           all three use together is sampled some 200 times: memory, threads,
//	           descriptors, goroutines (/metrics), processes. It fails where the
//	           median of the last tenth is beyond that of the second.
//	startup    ENABLED unset, without namespaces: how much later the child starts
//	           than without the tool.
//
// What is done to a leader (term to outage) is also measured at the shortest lease
// that this project's gate takes (-short), in the default proportions; its gate
// lowers the renew deadline then. The samples' names begin with "short_".
//
// Any command line can be put beside this project's gate:
//
//	bench -gate bin/k8s-await-election -tool 'other=/opt/other --id {identity} -- {child}'
//
// Placeholders are {identity}, {namespace}, {lease}, {kubeconfig},
// {endpoint} (an address that is free, to answer at), {lease-duration}, {renew-deadline}, {retry-period} (durations as in 15s) and
// {child}. The command line runs with the environment variables that LINBIT's
// k8s-await-election understands, with KUBECONFIG, and with the address and the
// service account of a Pod (KUBERNETES_SERVICE_HOST, /var/run/secrets).
//
// It needs root, or user namespaces that are open to everybody. Everything it
// starts ends with it, also when it is killed.
package main
