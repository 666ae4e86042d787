package chart

import (
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

// TestHelm4_RendersTheSame compares the objects; their order is for whoever sends
// them. It takes the parts of Helm 4 that render, with the schema of the values.
func TestHelm4_RendersTheSame(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		chart, err := loader.LoadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		given, err := valuesOf(t, row.input)
		if err != nil {
			t.Fatal(err)
		}
		capabilities := common.DefaultCapabilities.Copy()
		version, err := common.ParseKubeVersion(kubeVersion)
		if err != nil {
			t.Fatal(err)
		}
		capabilities.KubeVersion = *version
		release := common.ReleaseOptions{Name: releaseOf(row.input), Namespace: namespaceOf(row.input), Revision: 1, IsInstall: true}
		all, err := util.ToRenderValues(chart, given, release, capabilities)
		if err != nil {
			t.Fatal(err)
		}
		files, err := engine.Render(chart, all)
		if err != nil {
			t.Fatal(err)
		}
		four := &rendering{input: row.input}
		for name, text := range files {
			switch {
			case strings.HasSuffix(name, "NOTES.txt"):
				if strings.TrimSpace(text) != strings.TrimSpace(r.notes) {
					t.Errorf("the notes are\n%s\nwith Helm 3\n%s", text, r.notes)
				}
			case strings.HasSuffix(name, ".yaml"):
				four.add(t, text, false)
			}
		}
		three := texts(t, r)
		for key, text := range texts(t, four) {
			if three[key] != text {
				t.Errorf("%s is\n%s\nwith Helm 3\n%s", key, text, three[key])
			}
			delete(three, key)
		}
		for key := range three {
			t.Errorf("%s is not there", key)
		}
	})
}

// texts are the objects as JSON, by their kind and name.
func texts(t *testing.T, r *rendering) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, o := range r.objects {
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		found[o.String()] = string(text)
	}
	return found
}
