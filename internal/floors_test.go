// Package internal_test keeps the plan of the house: who may import whom, and
// what may not be linked into the binary. It looks at the code, so a rule here
// is true, and not only written down.
package internal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/k8s-await-election/k8s-await-election/"

// floors are the rooms from the ground up. A room imports only rooms of lower
// floors; rooms of one floor do not know each other.
var floors = []struct {
	name  string
	rooms []string
}{
	{"core, the election", []string{"internal/elector", "internal/elector/electortest"}},
	{"core, the one rule", []string{"internal/gate"}},
	{"core, tried on random schedules", []string{"internal/simulation"}},
	{"what several rooms do to processes", []string{"internal/child/command", "internal/child/tree", "internal/memory/pages"}},
	{"the second line of defence", []string{"internal/guard"}},
	{"what the program is when a gate starts it again", []string{"internal/self"}},
	{"adapters", []string{
		"internal/child", "internal/clock", "internal/config", "internal/filelock", "internal/instance",
		"internal/kube", "internal/memory", "internal/probe", "internal/selfinstall", "internal/status", "internal/statusfile",
	}},
	// unelected would have a test that is given arguments become a command.
	{"what the program alone may know: wiring, and what it is without an election", []string{"internal/app", "internal/unelected"}},
	{"the program", []string{"cmd/k8s-await-election"}},
}

// banned may not be imported: by any package that is linked into the binary, or
// where `in` names a room, by that room.
var banned = []struct{ path, in, reason string }{
	{"k8s.io/client-go/kubernetes", "", "the generated clientset makes the binary 2.5 times as large; internal/kube has a client for the few groups used"},
	{"k8s.io/client-go/tools/leaderelection", "", "it releases the lease before the work has stopped, and its standbys poll; internal/elector is there instead"},
	{"k8s.io/client-go/informers", "", "it brings the generated clientset; the one object is watched directly"},
	{"sigs.k8s.io/controller-runtime", "", "it brings caches and client_golang; only e2e uses it"},
	{"github.com/prometheus/client_golang", "", "it adds 2.4 MB to the binary; internal/status writes the text format by a smaller library"},
	{"google.golang.org/grpc", "", "it adds megabytes for one health request, which internal/probe sends over net/http"},
	{"testing", "", "test code belongs into test files"},
	{module + "internal/elector/electortest", "", "its clock stands still and its requests fail on purpose: it is for tests"},
	{"os/signal", "internal/gate", "signals arrive through a channel that the program registers before anything is spawned"},
	{"log", "", "lines that bypass the handler have neither level nor keys; use the *slog.Logger that was passed in"},
}

// ownCodeOnly are bans that the libraries we link need not keep.
var ownCodeOnly = []string{"log", "testing"}

// listed is one package as `go list` describes it.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Dir        string
	GoFiles    []string
}

func TestRooms_ImportDownwardsOnly(t *testing.T) {
	for _, p := range list(t) {
		for _, broken := range breaches(p) {
			t.Error(broken)
		}
	}
}

func TestBinary_DoesNotContainWhatIsBanned(t *testing.T) {
	for _, p := range list(t) {
		for _, broken := range bans(p) {
			t.Error(broken)
		}
	}
}

// os/exec is good for looking commands up. To start them is internal/child's
// alone, and without exec.Cmd: its Wait and the reaper's wait4(-1) would take
// each other's exit statuses.
func TestRooms_StartNoProcessByExecCmd(t *testing.T) {
	for _, p := range list(t) {
		if !strings.HasPrefix(p.ImportPath, module) || !slices.Contains(p.Imports, "os/exec") {
			continue
		}
		for _, name := range p.GoFiles {
			source, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range execCmds(t, name, source) {
				t.Errorf("%s/%s uses exec.Cmd: the reaper's wait4(-1) takes its exit status; start processes by internal/child", p.ImportPath, line)
			}
		}
	}
}

func TestExecCmds_SeesThemUnderAnyName(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		`package a; import "os/exec"; var _, _ = exec.LookPath("true")`:  0,
		`package a; import "os/exec"; var _ = exec.Command("true")`:      1,
		`package a; import "os/exec"; func f(c *exec.Cmd) { c.Wait() }`:  1,
		`package a; import run "os/exec"; var _ = run.Command("true")`:   1,
		`package a; import "example.org/exec"; var _ = exec.Command("")`: 0,
	} {
		if got := execCmds(t, "a.go", []byte(source)); len(got) != want {
			t.Errorf("%d found, want %d: %s", len(got), want, source)
		}
	}
}

// execCmds are the places in a file that make or name an exec.Cmd.
func execCmds(t *testing.T, name string, source []byte) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	local := ""
	for _, spec := range file.Imports {
		if spec.Path.Value == `"os/exec"` {
			local = "exec"
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	var found []string
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := selector.X.(*ast.Ident)
		if ok && of.Name == local && slices.Contains([]string{"Cmd", "Command", "CommandContext"}, selector.Sel.Name) {
			found = append(found, files.Position(selector.Pos()).String())
		}
		return true
	})
	return found
}

// Without this the tests of imports could pass for lack of eyes.
func TestRules_SeeWhatTheyForbid(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		room    string
		imports string
		broken  bool
	}{
		{"the program wires by app", "cmd/k8s-await-election", module + "internal/app", false},
		{"app knows every room", "internal/app", module + "internal/kube", false},
		{"an adapter knows the core", "internal/kube", module + "internal/elector", false},
		{"the gate stands on the elector", "internal/gate", module + "internal/elector", false},
		{"an adapter uses a library", "internal/kube", "k8s.io/client-go/rest", false},
		{"the elector uses the standard library", "internal/elector", "time", false},
		{"the elector looks up", "internal/elector", module + "internal/gate", true},
		{"the gate looks up", "internal/gate", module + "internal/child", true},
		{"an adapter looks at its neighbour", "internal/kube", module + "internal/filelock", true},
		{"an adapter looks up", "internal/status", module + "internal/app", true},
		{"the elector uses a library", "internal/elector", "k8s.io/api/coordination/v1", true},
		{"the gate uses a library", "internal/gate", "golang.org/x/sys/unix", true},
		{"a room that is in no plan", "internal/util", "time", true},
		{"a room inside a room that is in no plan", "internal/kube/util", "time", true},
		{"the clientset", "internal/kube", "k8s.io/client-go/kubernetes", true},
		{"a part of the clientset", "internal/kube", "k8s.io/client-go/kubernetes/scheme", true},
		{"a neighbour of the clientset in the alphabet", "internal/kube", "k8s.io/client-go/kubernetesx", false},
		{"an adapter is played with", "internal/kube", module + "internal/elector/electortest", true},
		{"the elector knows what it is tested with", "internal/elector", module + "internal/elector/electortest", true},
		{"what the elector is tested with knows it", "internal/elector/electortest", module + "internal/elector", true},
		{"a library for the gate's signals", "internal/gate", "os/signal", true},
		{"a library logs", "not-ours", "log", false},
		{"we log past the handler", "internal/kube", "log", true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := row.room
			if strings.Contains(row.room, "/") {
				path = module + row.room
			}
			p := listed{ImportPath: path, Imports: []string{row.imports}}
			if found := append(breaches(p), bans(p)...); (len(found) > 0) != row.broken {
				t.Errorf("broken: %v, want %v", found, row.broken)
			}
		})
	}
}

// breaches are the imports of a package that the floors do not allow.
func breaches(p listed) []string {
	room, ours := strings.CutPrefix(p.ImportPath, module)
	if !ours {
		return nil
	}
	floor := floorOf(room)
	if floor < 0 {
		return []string{fmt.Sprintf("%s is in no plan: give it a floor in internal/floors_test.go", room)}
	}
	var broken []string
	for _, path := range p.Imports {
		other, ours := strings.CutPrefix(path, module)
		switch {
		case ours && floorOf(other) >= floor:
			broken = append(broken, fmt.Sprintf("%s (%s) imports %s: imports run downwards only, and rooms of one floor do not know each other",
				room, floors[floor].name, other))
		case !ours && floor < 2 && isLibrary(path):
			broken = append(broken, fmt.Sprintf("%s imports %s: the core uses nothing beside the standard library, so that its rules can be read and tested by themselves", room, path))
		}
	}
	return broken
}

// bans are the imports of a package that nobody may have.
func bans(p listed) []string {
	room, ours := strings.CutPrefix(p.ImportPath, module)
	var broken []string
	for _, path := range p.Imports {
		for _, ban := range banned {
			switch {
			case path != ban.path && !strings.HasPrefix(path, ban.path+"/"):
			case ban.in != "" && ban.in != room:
			case !ours && slices.Contains(ownCodeOnly, ban.path):
			case ours && ban.path == "log" && path != "log": // log/slog is what we use
			default:
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", p.ImportPath, path, ban.reason))
			}
		}
	}
	return broken
}

// floorOf is −1 for a room that is in no plan.
func floorOf(room string) int {
	for i, f := range floors {
		if slices.Contains(f.rooms, room) {
			return i
		}
	}
	return -1
}

// isLibrary: paths of the standard library have no dot in their first element.
func isLibrary(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

// list describes all packages under internal and cmd and what they link, the
// standard library left out.
func list(t *testing.T) []listed {
	t.Helper()
	// go test repeats a cached answer until something that this process has
	// opened changes, and go list is another process: look at all it reads.
	for _, root := range []string{"../go.mod", "../cmd", "."} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,Dir,GoFiles", "../cmd/...", "./...")
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read the answer of go list: %v", err)
		}
		if !p.Standard && p.ImportPath != strings.TrimSuffix(module, "/")+"/internal" {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		t.Fatal("go list found no package")
	}
	return packages
}
