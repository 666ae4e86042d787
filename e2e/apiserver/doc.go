// Package apiserver runs a real kube-apiserver with its etcd for tests, the
// demo and the benchmark, and gives them what a healthy cluster never does: an
// API server that stops answering, dies, or comes back.
//
// It guarantees that both processes end with Server.Stop, and also when the
// calling process ends without calling it, however that happens. It does not
// run controllers, a scheduler or nodes: objects stay as they were written.
//
// The processes are those that envtest starts, with envtest's certificates and
// users. The binaries are looked for in the directory that KUBEBUILDER_ASSETS
// names, else where `make test` builds them. Where they are missing Start fails;
// it never pretends that there was nothing to test.
package apiserver
