// Reads a list of resources as JSON and prints a line for each: what Flux takes its state for.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	var resources []unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&resources); err != nil {
		log.Fatal(err)
	}
	for _, resource := range resources {
		found, err := status.Compute(&resource)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(found.Status)
	}
}
