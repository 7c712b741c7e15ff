// go_bench.go: what Go's goroutines and buffered channels cost, in the shapes that creche's tasks are
// measured in. go run go_bench.go [count]; one JSON line for each, the medians of five rounds.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func measure(what string, count int, round func(int)) {
	round(count)
	var ns, used []float64
	for i := 0; i < 5; i++ {
		start, began := time.Now(), cpu()
		round(count)
		ns = append(ns, float64(time.Since(start).Nanoseconds())/float64(count))
		used = append(used, (cpu()-began)/float64(count))
	}
	sort.Float64s(ns)
	sort.Float64s(used)
	fmt.Printf("{\"what\": \"%s\", \"ns\": %.1f, \"cpu_ns\": %.1f, \"count\": %d}\n",
		what, ns[2], used[2], count)
}

func stream(capacity int) func(int) {
	return func(count int) {
		ch := make(chan int, capacity)
		go func() {
			for i := 0; i < count; i++ {
				ch <- i
			}
			close(ch)
		}()
		for range ch {
		}
	}
}

func lives(count int) {
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go all.Done()
	}
	all.Wait()
}

func main() {
	count := 1000000
	if len(os.Args) > 1 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	for _, threads := range []int{1, 2} {
		runtime.GOMAXPROCS(threads)
		where := "_one_loop"
		if threads == 2 {
			where = "_two_loops"
		}
		measure("start_and_finish"+where, count, lives)
		measure("channel_0"+where, count, stream(0))
		measure("channel_64"+where, count, stream(64))
		measure("channel_1024"+where, count, stream(1024))
	}
}
