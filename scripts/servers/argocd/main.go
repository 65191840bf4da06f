// Command argocd is the part of Argo CD that the tests run, picked by the first argument:
//
//	argocd controller|repo-server [flags]
//	argocd lua   answers requests of one line of JSON each from Argo CD's own sandbox; see lua.go
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
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
		answerAll(os.Stdin, os.Stdout)
		return
	default:
		usage()
	}
	cmd.SetArgs(os.Args[2:])
	if err := cmd.Execute(); err != nil {
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: argocd controller|repo-server [flags], argocd lua")
	os.Exit(2)
}
