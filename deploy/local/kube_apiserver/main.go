// The Kubernetes API server, as a module of ours that names its version: built for tests by deploy/local/kubernetes_build.py.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"

	_ "k8s.io/component-base/logs/json/register"
)

func main() {
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
