package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	jsonpatch "github.com/evanphx/json-patch"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argoproj/argo-cd/v3/pkg/apiclient/application"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
)

// A request names what to run on an object: "health", "actions" (which there are), or one action by its name. The scripts
// come from the data of argocd-cm.
type request struct {
	Run        string            `json:"run"`
	Settings   map[string]string `json:"settings"`
	Object     json.RawMessage   `json:"object"`
	Parameters map[string]string `json:"parameters"`
}

// An answer is the health, the list of actions, or the merge patch that Argo CD sends for an action.
type answer struct {
	Answer any    `json:"answer,omitempty"`
	Error  string `json:"error,omitempty"`
}

// answerAll answers each line of JSON by one.
func answerAll(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<26)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		value, err := answerOne(lines.Bytes())
		reply := answer{Answer: value}
		if err != nil {
			reply.Error = err.Error()
		}
		if err := encoder.Encode(reply); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func answerOne(line []byte) (any, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asked.Object); err != nil {
		return nil, err
	}
	overrides := resourceOverrides(asked.Settings)
	machine := lua.VM{ResourceOverrides: overrides}
	switch asked.Run {
	case "health":
		return lua.ResourceHealthOverrides(overrides).GetResourceHealth(object)
	case "actions":
		scripts, err := machine.GetResourceActionDiscovery(object)
		if err != nil {
			return nil, err
		}
		return machine.ExecuteResourceActionDiscovery(object, scripts)
	default:
		return patchOf(machine, object, asked)
	}
}

// patchOf does what RunResourceActionV2 of Argo CD's API server does.
func patchOf(machine lua.VM, object *unstructured.Unstructured, asked request) (any, error) {
	before, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	action, err := machine.GetResourceAction(object, asked.Run)
	if err != nil {
		return nil, err
	}
	var parameters []*application.ResourceActionParameters
	for name, value := range asked.Parameters {
		parameters = append(parameters, &application.ResourceActionParameters{Name: &name, Value: &value})
	}
	impacted, err := machine.ExecuteResourceAction(object, action.ActionLua, parameters)
	if err != nil {
		return nil, err
	}
	if len(impacted) != 1 {
		return nil, fmt.Errorf("the action gave %d objects instead of one", len(impacted))
	}
	after, err := json.Marshal(impacted[0].UnstructuredObj)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.CreateMergePatch(before, after)
	return json.RawMessage(patch), err
}

// resourceOverrides reads resource.customizations.<health|actions>.<group>_<kind>.
func resourceOverrides(settings map[string]string) map[string]v1alpha1.ResourceOverride {
	overrides := map[string]v1alpha1.ResourceOverride{}
	for key, value := range settings {
		parts := strings.SplitN(key, ".", 4)
		if len(parts) != 4 || parts[0]+"."+parts[1] != "resource.customizations" {
			continue
		}
		kind := strings.ReplaceAll(parts[3], "_", "/")
		override := overrides[kind]
		switch parts[2] {
		case "health":
			override.HealthLua = value
		case "actions":
			override.Actions = value
		}
		overrides[kind] = override
	}
	return overrides
}
