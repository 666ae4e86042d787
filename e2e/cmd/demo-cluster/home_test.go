package main

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

var home = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "space", UID: "1"}}

func volumeText(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, volumeFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestReadVolume_BindsTheSharedDirectoryToTheClaimAlone(t *testing.T) {
	t.Parallel()
	volume, claim, err := readVolume(volumeText(t), home, "")
	if err != nil {
		t.Fatal(err)
	}
	if claim.Name != data || claim.Spec.VolumeName != volume.Name || *claim.Spec.StorageClassName != volume.Spec.StorageClassName {
		t.Errorf("the claim is %+v, the volume %+v", claim, volume)
	}
	if to := volume.Spec.ClaimRef; to.Namespace != "space" || to.Name != data {
		t.Errorf("the volume is for %+v", to)
	}
	if owners := volume.OwnerReferences; len(owners) != 1 || owners[0].UID != home.UID {
		t.Errorf("the volume goes with %+v", owners)
	}
	if at := volume.Spec.HostPath; at.Path != cluster.SharedDir || *at.Type != corev1.HostPathDirectory {
		t.Errorf("the volume is %+v, want what the nodes of make cluster share", at)
	}
}

func TestReadVolume_WithAStorageClassIsAClaimAlone(t *testing.T) {
	t.Parallel()
	volume, claim, err := readVolume(volumeText(t), home, "nfs")
	if err != nil {
		t.Fatal(err)
	}
	if volume != nil {
		t.Errorf("there is a volume, %+v", volume)
	}
	if claim.Name != data || claim.Spec.VolumeName != "" || *claim.Spec.StorageClassName != "nfs" {
		t.Errorf("the claim is %+v", claim)
	}
}

func TestReadVolume_RefusesWhatIsNoVolume(t *testing.T) {
	t.Parallel()
	if _, _, err := readVolume([]byte("kind: PersistentVolume\nspce: {}\n"), home, ""); err == nil {
		t.Error("accepted")
	}
}

func TestKind_MountsTheSharedDirectoryOnEveryNode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, ".github", "kind.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Nodes []struct {
			Role        string
			ExtraMounts []struct{ HostPath, ContainerPath string }
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	workers := 0
	for _, node := range config.Nodes {
		if node.Role != "worker" {
			continue // it takes no Pods
		}
		workers++
		if len(node.ExtraMounts) != 1 || node.ExtraMounts[0] != config.Nodes[len(config.Nodes)-1].ExtraMounts[0] ||
			node.ExtraMounts[0].ContainerPath != cluster.SharedDir {
			t.Errorf("a worker mounts %+v, want one directory of all on %s", node.ExtraMounts, cluster.SharedDir)
		}
	}
	if workers < 2 {
		t.Errorf("%d workers", workers)
	}
}

func TestKindCluster_IsReadFromTheNodesIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"kind://docker/e2e/e2e-worker": "e2e",
		"kind://podman/kind/kind-work": "kind",
		"kind://docker":                "",
		"aws:///eu-central-1a/i-0123":  "",
		"":                             "",
	} {
		if got := kindCluster([]corev1.Node{{Spec: corev1.NodeSpec{ProviderID: id}}}); got != want {
			t.Errorf("%q is of the cluster %q, want %q", id, got, want)
		}
	}
}
