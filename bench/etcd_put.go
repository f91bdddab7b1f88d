// etcd_put: durable puts into etcd in a closed loop, for the comparison in bench/run. Prints one JSON object as gantry_load does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

func main() {
	endpoint := flag.String("endpoint", "http://127.0.0.1:2379", "where etcd listens")
	clients := flag.Int("clients", 100, "puts under way at a time")
	connections := flag.Int("connections", 16, "HTTP/2 connections they share")
	seconds := flag.Float64("seconds", 5, "how long to measure")
	file := flag.String("body", "", "the value")
	flag.Parse()
	value, err := os.ReadFile(*file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if *connections > *clients {
		*connections = *clients
	}
	pool := make([]*clientv3.Client, *connections)
	for i := range pool {
		if pool[i], err = clientv3.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 5 * time.Second}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var next int64
	var mutex sync.Mutex
	var all []time.Duration
	var wait sync.WaitGroup
	until := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	started := time.Now()
	for c := 0; c < *clients; c++ {
		wait.Add(1)
		go func(client *clientv3.Client) {
			defer wait.Done()
			var mine []time.Duration
			for time.Now().Before(until) {
				key := fmt.Sprintf("/registry/gantry.dev/servers/default/load-%d", atomic.AddInt64(&next, 1))
				begin := time.Now()
				if _, err := client.Put(context.Background(), key, string(value)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				mine = append(mine, time.Since(begin))
			}
			mutex.Lock()
			all = append(all, mine...)
			mutex.Unlock()
		}(pool[c%len(pool)])
	}
	wait.Wait()
	took := time.Since(started).Seconds()
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(p float64) float64 { return float64(all[int(p*float64(len(all)-1))].Microseconds()) / 1000 }
	fmt.Printf("{\"requests\":%d,\"rate\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", len(all), float64(len(all))/took, at(0.5), at(0.99))
}
