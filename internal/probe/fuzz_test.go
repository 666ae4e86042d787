package probe

import (
	"net/http"
	"testing"
)

func FuzzParse_AcceptsOnlyProbesThatCanRun(f *testing.F) {
	for _, text := range []string{
		example,
		`{"httpGet":{"port":8080,"path":"/x","httpHeaders":[{"name":"Host","value":"a"}]}}`,
		`{"tcpSocket":{"port":1},"periodSeconds":3}`, `{"grpc":{"port":1,"service":"s"}}`, `{"exec":{"command":["true"]}}`,
		`{"httpGet":{"port":"http"}}`, `null`, `{"exec":{},"grpc":{}}`,
		`{"exec":{"command":["a"]},"httpGet":null,"x":{}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := Parse(Readiness, text)
		if err != nil || spec == nil { // nothing is no probe
			return
		}
		checks := 0
		for _, there := range []bool{spec.HTTPGet != nil, spec.TCPSocket != nil, spec.GRPC != nil, spec.Exec != nil} {
			if there {
				checks++
			}
		}
		if checks != 1 || spec.Timeout <= 0 || spec.Period <= 0 || spec.SuccessThreshold < 1 || spec.FailureThreshold < 1 || spec.InitialDelay < 0 || spec.patience() <= 0 {
			t.Errorf("accepted %+v", spec)
		}
		if get := spec.HTTPGet; get != nil {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address(get, "127.0.0.1").String(), http.NoBody)
			if err != nil {
				t.Fatalf("%q makes no request: %v", text, err)
			}
			setHeaders(request, get.Headers, "v")
		}
	})
}

func FuzzServingStatus_ReadsAnyFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 21, 16, 7, 25, 1, 2, 3, 4, 5, 6, 7, 8, 37, 1, 2, 3, 4, 42, 1, 9, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 4, 18, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, frame []byte) {
		if status, err := servingStatus(frame); err != nil && status != 0 {
			t.Errorf("status %d with %v", status, err)
		}
	})
}
