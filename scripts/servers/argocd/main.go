// Command argocd is the part of Argo CD that the tests run, picked by the first argument:
//
//	argocd controller|repo-server [flags]
//	argocd lua health|actions|action SCRIPT OBJECT   (Argo CD's own sandbox; OBJECT is YAML or JSON, the answer is JSON)
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/argoproj/argo-cd/v3/util/lua"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	var cmd *cobra.Command
	switch os.Args[1] {
	case "controller":
		cmd = controller.NewCommand()
	case "repo-server":
		cmd = reposerver.NewCommand()
	case "lua":
		runLua(os.Args[2:])
		return
	default:
		usage()
	}
	cmd.SetArgs(os.Args[2:])
	if err := cmd.Execute(); err != nil {
		os.Exit(1)
	}
}

func runLua(args []string) {
	if len(args) != 3 {
		usage()
	}
	script, err := os.ReadFile(args[1])
	fail(err)
	raw, err := os.ReadFile(args[2])
	fail(err)
	object := &unstructured.Unstructured{}
	fail(yaml.Unmarshal(raw, &object.Object))
	machine := lua.VM{} // without the open libraries: the default of a custom health check
	var answer any
	switch args[0] {
	case "health":
		answer, err = machine.ExecuteHealthLua(object, string(script))
	case "actions":
		answer, err = machine.ExecuteResourceActionDiscovery(object, []string{string(script)})
	case "action":
		answer, err = machine.ExecuteResourceAction(object, string(script), nil)
	default:
		usage()
	}
	fail(err)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	fail(encoder.Encode(answer))
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: argocd controller|repo-server [flags], argocd lua health|actions|action SCRIPT OBJECT")
	os.Exit(2)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
