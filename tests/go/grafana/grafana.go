// Reads a dashboard as JSON and says, a line each, which fields Grafana's own schema does not know or lacks.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// say prints an error, which here may be one of nothing.
func say(where string, err error) {
	if err != nil && err.Error() != "" {
		fmt.Printf("%s%s\n", where, err)
	}
}

func main() {
	// Of other types neither panels nor queries are looked into.
	panel, query := timeseries.VariantConfig(), prometheus.VariantConfig()
	cog.NewRuntime().RegisterPanelcfgVariant(panel)
	cog.NewRuntime().RegisterDataqueryVariant(query)
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	var whole dashboard.Dashboard
	say("", whole.UnmarshalJSONStrict(text))
	say("", whole.Validate())
	var parts struct {
		Panels []struct {
			Title       string
			Type        string
			FieldConfig json.RawMessage
			Targets     []struct{ Datasource struct{ Type string } }
		}
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		log.Fatal(err)
	}
	for _, it := range parts.Panels {
		if it.Type != panel.Identifier {
			fmt.Printf("%s: panels of the type %s are not looked into\n", it.Title, it.Type)
		}
		for _, target := range it.Targets {
			if target.Datasource.Type != query.Identifier {
				fmt.Printf("%s: queries of the type %s are not looked into\n", it.Title, target.Datasource.Type)
			}
		}
		// A panel takes any, but for what is the own of its type.
		var config dashboard.FieldConfigSource
		say(it.Title+": ", config.UnmarshalJSONStrict(it.FieldConfig))
	}
}
