package kube

import (
	"reflect"
	"strings"
	"testing"
)

func TestParsePorts_ReadsTheListWhateverTheCaseOfItsKeys(t *testing.T) {
	t.Parallel()
	ports, err := ParsePorts(` [{"Name":"http","PORT":8080,"other":[1]}, {"name":"dns","port":53,"protocol":"UDP","appProtocol":"dns"}] `)
	want := []Port{{Name: "http", Port: 8080, Protocol: "TCP"}, {Name: "dns", Port: 53, Protocol: "UDP", AppProtocol: "dns"}}
	if err != nil || !reflect.DeepEqual(ports, want) {
		t.Errorf("got %+v, %v", ports, err)
	}
	if ports, err := ParsePorts(`[{"port":1}]`); err != nil || len(ports) != 1 || ports[0].Name != "" {
		t.Errorf("a single port without a name: %+v, %v", ports, err)
	}
	if ports, err := ParsePorts(`[]`); err != nil || len(ports) != 0 {
		t.Errorf("no ports: %+v, %v", ports, err)
	}
}

func TestParsePorts_SaysWhatIsWrongWithAnExampleAndWithoutTheValue(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ text, says string }{
		"empty":                {``, "not a JSON list"},
		"null":                 {`null`, "not a JSON list"},
		"an object":            {`{"secret":1}`, "not a JSON list"},
		"a list of numbers":    {`[1234567]`, "not a JSON list"},
		"cut off":              {`[{"name":"secret"`, "not a JSON list"},
		"two lists":            {`[] ["secret"]`, "not a JSON list"},
		"text as a port":       {`[{"port":"secret"}]`, `"port"`},
		"a fraction":           {`[{"port":1234567.5}]`, `"port"`},
		"no port":              {`[{"name":"http"}]`, `"port" must be`},
		"port too great":       {`[{"port":1234567}]`, `"port" must be`},
		"unknown protocol":     {`[{"port":1,"protocol":"SECRET"}]`, `"protocol" must be`},
		"several, one unnamed": {`[{"port":1},{"port":2,"name":"b"}]`, `port 1 of the list: "name" is needed`},
		"equal names":          {`[{"port":1,"name":"a"},{"port":2,"name":"a"}]`, `port 2 of the list: "name" must differ`},
		"bad name":             {`[{"port":1,"name":"Secret_"}]`, `"name" must be`},
	} {
		_, err := ParsePorts(row.text)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), `[{"name":"http","port":8080}]`) {
			t.Errorf("%s: %v", name, err)
		}
		if text := strings.ToLower(err.Error()); strings.Contains(text, "secret") || strings.Contains(text, "1234567") {
			t.Errorf("%s: the error repeats the value: %v", name, err)
		}
	}
}

func TestParsePorts_TellsOfAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ParsePorts(`[{"port":0},{"port":1,"protocol":"x"}]`)
	if err == nil || strings.Count(err.Error(), "of the list") != 4 { // two names are missing as well
		t.Errorf("got %v", err)
	}
}
