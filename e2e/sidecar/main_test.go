// Package sidecar tests the built program without a command, from outside: in
// the words of k8s-elector and of leader-elector, as their manifests have them,
// and in its own, against a real kube-apiserver with etcd.
package sidecar

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// server and programs are shared by all tests.
var (
	server   *apiserver.Server
	programs stage.Programs
)

func TestMain(m *testing.M) {
	rest.SetDefaultWarningHandler(rest.NoWarnings{}) // Endpoints are old, we know
	klog.SetLogger(klog.Logger{})                    // client-go tells what the tests know already
	os.Exit(stage.Main(m, func(s *apiserver.Server, p stage.Programs) { server, programs = s, p }))
}
