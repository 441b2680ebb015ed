// Command deploy_validate reads built manifests from standard input with the code of Kubernetes, Argo Workflows and
// Argo Events.
//
//	deploy_validate check                 check every document: unknown kinds, fields and values are errors
//	deploy_validate retry EXIT_CODE       for each template, whether a step with this exit code is retried
//	deploy_validate listen SOURCE         the first event that an EventSource makes, by its own listener
//	deploy_validate arrive NAME EVENT     the workflow that the Sensor submits for an event of a dependency, or null
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	bus "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/argoproj/argo-events/pkg/eventsources"
	"github.com/argoproj/argo-events/pkg/eventsources/common"
	"github.com/argoproj/argo-events/pkg/metrics"
	"github.com/argoproj/argo-events/pkg/reconciler/eventsource"
	"github.com/argoproj/argo-events/pkg/reconciler/sensor"
	"github.com/argoproj/argo-events/pkg/sensors/dependencies"
	"github.com/argoproj/argo-events/pkg/sensors/triggers"
	"github.com/argoproj/argo-events/pkg/shared/logging"
	wf "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v3/util/expr/argoexpr"
	"github.com/argoproj/argo-workflows/v3/util/expr/env"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	objects, err := decoded(os.Stdin)
	if err == nil {
		switch {
		case len(os.Args) == 2 && os.Args[1] == "check":
			err = check(objects)
		case len(os.Args) == 3 && os.Args[1] == "retry":
			err = retry(objects, os.Args[2])
		case len(os.Args) == 3 && os.Args[1] == "listen":
			err = listen(objects, os.Args[2])
		case len(os.Args) == 4 && os.Args[1] == "arrive":
			err = arrive(objects, os.Args[2], os.Args[3])
		default:
			err = errors.New("usage: deploy_validate check | retry EXIT_CODE | listen SOURCE | arrive NAME EVENT.json")
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var strict = func() runtime.Decoder {
	known := scheme.Scheme
	for _, add := range []func(*runtime.Scheme) error{wf.AddToScheme, bus.AddToScheme} {
		if err := add(known); err != nil {
			panic(err)
		}
	}
	return serializer.NewSerializerWithOptions(
		serializer.DefaultMetaFactory, known, known, serializer.SerializerOptions{Yaml: true, Strict: true})
}()

func decoded(input io.Reader) ([]runtime.Object, error) {
	var objects []runtime.Object
	var faults []error
	documents := yaml.NewYAMLReader(bufio.NewReader(input))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(faults...)
		}
		if err != nil {
			return nil, err
		}
		object, kind, err := strict.Decode(document, nil, nil)
		if err != nil {
			faults = append(faults, fmt.Errorf("%v: %w", kind, err))
			continue
		}
		objects = append(objects, object)
	}
}

// check runs the checks of Argo Events on its resources, and decodes the resource that each Sensor submits.
func check(objects []runtime.Object) error {
	var faults []error
	for _, object := range objects {
		switch found := object.(type) {
		case *bus.EventSource:
			faults = append(faults, wrapped(found, eventsource.ValidateEventSource(found)))
		case *bus.Sensor:
			faults = append(faults, wrapped(found, sensor.ValidateSensor(found, eventBus(objects, found))))
			for _, trigger := range found.Spec.Triggers {
				_, _, err := strict.Decode(trigger.Template.K8s.Source.Resource.Value, nil, nil)
				faults = append(faults, wrapped(found, err))
			}
		}
	}
	return errors.Join(faults...)
}

func eventBus(objects []runtime.Object, of *bus.Sensor) *bus.EventBus {
	for _, object := range objects {
		if found, is := object.(*bus.EventBus); is && found.Name == of.Spec.EventBusName {
			return found
		}
	}
	return nil
}

func wrapped(object metav1.Object, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%T %s: %w", object, object.GetName(), err)
}

func retry(objects []runtime.Object, exitCode string) error {
	again := map[string]bool{}
	for _, object := range objects {
		template, is := object.(*wf.WorkflowTemplate)
		if !is {
			continue
		}
		for _, step := range template.Spec.Templates {
			if step.RetryStrategy == nil {
				continue
			}
			scope := map[string]any{"lastRetry.exitCode": exitCode, "lastRetry.status": "Failed", "retries": "0"}
			if exitCode == "-1" {
				scope["lastRetry.status"] = "Error"
			}
			yes, err := argoexpr.EvalBool(step.RetryStrategy.Expression, env.GetFuncMap(scope))
			if err != nil {
				return wrapped(template, fmt.Errorf("%s: %w", step.Name, err))
			}
			again[step.Name] = yes
		}
	}
	return json.NewEncoder(os.Stdout).Encode(again)
}

// listen runs the listener of the only event of an EventSource until it has made an event, or for a minute.
func listen(objects []runtime.Object, source string) error {
	for _, object := range objects {
		found, is := object.(*bus.EventSource)
		if !is || found.Name != source {
			continue
		}
		servers, _ := eventsources.GetEventingServers(found, metrics.NewMetrics(found.Namespace))
		for _, ofType := range servers {
			return firstEvent(ofType[0])
		}
	}
	return fmt.Errorf("there is no EventSource %s", source)
}

func firstEvent(server eventsources.EventingServer) error {
	ctx, cancel := context.WithTimeout(logging.WithLogger(context.Background(), zap.NewNop().Sugar()), time.Minute)
	defer cancel()
	events := make(chan []byte, 1)
	stopped := make(chan error, 1)
	go func() {
		stopped <- server.StartListening(ctx, func(data []byte, _ ...common.Option) error {
			select {
			case events <- data:
			default:
			}
			return nil
		})
	}()
	select {
	case data := <-events:
		fmt.Println(string(data))
		return nil
	case err := <-stopped:
		return fmt.Errorf("%s made no event: %w", server.GetEventName(), err)
	case <-ctx.Done():
		return fmt.Errorf("%s made no event in a minute", server.GetEventName())
	}
}

func arrive(objects []runtime.Object, name string, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, object := range objects {
		found, is := object.(*bus.Sensor)
		if !is {
			continue
		}
		dependency, trigger, err := answer(found, name)
		if err != nil {
			return err
		}
		event := &bus.Event{Context: &bus.EventContext{Time: metav1.Now(), DataContentType: "application/json"}, Data: data}
		passes, err := dependencies.Filter(event, dependency.Filters, dependency.FiltersLogicalOperator)
		if err != nil || !passes {
			fmt.Println("null")
			return nil
		}
		made, err := triggers.ApplyParams(
			trigger.Source.Resource.Value, trigger.Parameters, map[string]*bus.Event{dependency.Name: event})
		if err != nil {
			return wrapped(found, err)
		}
		fmt.Println(string(made))
		return nil
	}
	return errors.New("there is no Sensor")
}

// answer returns a dependency of a Sensor, and the trigger that has it as its only condition.
func answer(sensor *bus.Sensor, name string) (*bus.EventDependency, *bus.StandardK8STrigger, error) {
	for i, dependency := range sensor.Spec.Dependencies {
		for _, trigger := range sensor.Spec.Triggers {
			if dependency.Name == name && trigger.Template.Conditions == name {
				return &sensor.Spec.Dependencies[i], trigger.Template.K8s, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("Sensor %s has no trigger for %s alone", sensor.Name, name)
}
