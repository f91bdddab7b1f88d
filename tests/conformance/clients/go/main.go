// The official Go client against a started controller, as programs use it: informers, server-side apply with its
// conflicts, leader election of two candidates, and a recorder of events.k8s.io. KUBECONFIG names the server; the kinds
// of the fixture are installed. Prints what it has done, and "done" in the end.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

const namespace = "default"

var apps = schema.GroupVersionResource{Group: "infra.gantry.dev", Version: "v1alpha1", Resource: "apps"}

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func demand(holds bool, what string) {
	if !holds {
		must(fmt.Errorf("%s", what))
	}
}

// What an informer tells of the object of that name.
func told(informer cache.SharedIndexInformer, name string) <-chan string {
	news := make(chan string, 100)
	is := func(object interface{}) bool {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		return object.(metav1.Object).GetName() == name
	}
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object interface{}) {
			if is(object) {
				news <- "added"
			}
		},
		UpdateFunc: func(before, after interface{}) {
			if is(after) && before.(metav1.Object).GetResourceVersion() != after.(metav1.Object).GetResourceVersion() {
				news <- "updated"
			}
		},
		DeleteFunc: func(object interface{}) {
			if is(object) {
				news <- "deleted"
			}
		},
	})
	return news
}

func expect(news <-chan string, wanted string) {
	select {
	case seen := <-news:
		demand(seen == wanted, "the informer told "+seen+" instead of "+wanted)
	case <-time.After(time.Minute):
		must(fmt.Errorf("the informer did not tell %s", wanted))
	}
}

func informersAndApply(ctx context.Context, client kubernetes.Interface) {
	factory := informers.NewSharedInformerFactory(client, 0)
	news := told(factory.Core().V1().ConfigMaps().Informer(), "go")
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	maps := client.CoreV1().ConfigMaps(namespace)
	one := applycore.ConfigMap("go", namespace).WithData(map[string]string{"a": "1"})
	made, err := maps.Apply(ctx, one, metav1.ApplyOptions{FieldManager: "one"})
	must(err)
	expect(news, "added")
	again, err := maps.Apply(ctx, one, metav1.ApplyOptions{FieldManager: "one"})
	must(err)
	demand(again.ResourceVersion == made.ResourceVersion, "an apply that changes nothing wrote something")
	two := applycore.ConfigMap("go", namespace).WithData(map[string]string{"a": "2"})
	_, err = maps.Apply(ctx, two, metav1.ApplyOptions{FieldManager: "two"})
	demand(apierrors.IsConflict(err), fmt.Sprintf("a conflict was expected, not %v", err))
	taken, err := maps.Apply(ctx, two, metav1.ApplyOptions{FieldManager: "two", Force: true})
	must(err)
	demand(taken.Data["a"] == "2", "a forced apply did not take the field")
	expect(news, "updated")
	must(maps.Delete(ctx, "go", metav1.DeleteOptions{}))
	expect(news, "deleted")
	fmt.Println("typed informer and apply")
}

func dynamicInformerAndPatch(ctx context.Context, client dynamic.Interface) {
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, nil)
	news := told(factory.ForResource(apps).Informer(), "go")
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	app := &unstructured.Unstructured{Object: map[string]interface{}{
		"apiVersion": "infra.gantry.dev/v1alpha1", "kind": "App",
		"metadata": map[string]interface{}{"name": "go"}, "spec": map[string]interface{}{"image": "a"}}}
	collection := client.Resource(apps).Namespace(namespace)
	_, err := collection.Create(ctx, app, metav1.CreateOptions{})
	must(err)
	expect(news, "added")
	patched, err := collection.Patch(ctx, "go", types.MergePatchType, []byte(`{"spec":{"replicas":2}}`), metav1.PatchOptions{})
	must(err)
	replicas, _, _ := unstructured.NestedInt64(patched.Object, "spec", "replicas")
	demand(replicas == 2, "a merge patch did not change the object")
	expect(news, "updated")
	stale := app.DeepCopy()
	stale.SetResourceVersion("1")
	_, err = collection.Update(ctx, stale, metav1.UpdateOptions{})
	demand(apierrors.IsConflict(err), fmt.Sprintf("a conflict was expected, not %v", err))
	must(collection.Delete(ctx, "go", metav1.DeleteOptions{}))
	expect(news, "deleted")
	fmt.Println("dynamic informer and patch")
}

// Campaigns until ctx ends; says when it leads.
func campaign(ctx context.Context, client kubernetes.Interface, name string, leads chan<- string) <-chan struct{} {
	over := make(chan struct{})
	lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: "go"},
		Client: client.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: name}}
	go func() {
		defer close(over)
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leads <- name },
				OnStoppedLeading: func() {}}})
	}()
	return over
}

func leader(leads <-chan string) string {
	select {
	case name := <-leads:
		return name
	case <-time.After(time.Minute):
		must(fmt.Errorf("nobody leads"))
	}
	return ""
}

func elections(ctx context.Context, client kubernetes.Interface) {
	leads := make(chan string, 2)
	first, resign := context.WithCancel(ctx)
	over := campaign(first, client, "first", leads)
	demand(leader(leads) == "first", "the first does not lead")
	second, stop := context.WithCancel(ctx)
	otherOver := campaign(second, client, "second", leads)
	lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, "go", metav1.GetOptions{})
	must(err)
	demand(*lease.Spec.HolderIdentity == "first", "the lease names another holder")
	resign()
	<-over
	demand(leader(leads) == "second", "the second does not follow")
	stop()
	<-otherOver
	fmt.Println("leader election")
}

func recorder(ctx context.Context, client kubernetes.Interface) {
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	stop := make(chan struct{})
	defer close(stop)
	broadcaster.StartRecordingToSink(stop)
	about, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "told"}}, metav1.CreateOptions{})
	must(err)
	says := broadcaster.NewRecorder(scheme.Scheme, "example.com/go")
	says.Eventf(about, nil, corev1.EventTypeNormal, "Seen", "Looking", "seen by %s", "go")
	written := client.EventsV1().Events(namespace)
	var name string
	for deadline := time.Now().Add(time.Minute); name == ""; time.Sleep(100 * time.Millisecond) {
		list, err := written.List(ctx, metav1.ListOptions{FieldSelector: "regarding.name=told"})
		must(err)
		if len(list.Items) == 1 {
			demand(list.Items[0].Note == "seen by go", "the note is another")
			name = list.Items[0].Name
		}
		demand(time.Now().Before(deadline), "the event is not there")
	}
	// As a recorder goes on when the same happens again. Those before client-go 0.26 begin with 1, which no server takes.
	series := []byte(`{"series":{"count":2,"lastObservedTime":"2026-11-21T10:00:00.000000Z"}}`)
	repeated, err := written.Patch(ctx, name, types.StrategicMergePatchType, series, metav1.PatchOptions{})
	must(err)
	demand(repeated.Series != nil && repeated.Series.Count == 2, "the series is another")
	core, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=told"})
	must(err)
	demand(len(core.Items) == 1 && core.Items[0].Message == "seen by go", "core/v1 has another event")
	fmt.Println("recorder of events.k8s.io")
}

func configs() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
}

func main() {
	config, err := configs()
	must(err)
	typed, err := kubernetes.NewForConfig(config)
	must(err)
	untyped, err := dynamic.NewForConfig(config)
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	informersAndApply(ctx, typed)
	dynamicInformerAndPatch(ctx, untyped)
	elections(ctx, typed)
	recorder(ctx, typed)
	fmt.Println("done")
}
