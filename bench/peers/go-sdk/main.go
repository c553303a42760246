// The opentelemetry-go SDK on the bench's span: one SERVER span, 5 text attributes and 1 int, set one call at a time, end.
// Batch processor; the client marshals each batch to OTLP bytes and throws them away. Prints CPU time a span, all threads.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

type discard struct{ spans, bytes atomic.Int64 }

func (d *discard) Start(context.Context) error { return nil }
func (d *discard) Stop(context.Context) error  { return nil }
func (d *discard) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: spans})
	for _, rs := range spans {
		for _, ss := range rs.ScopeSpans {
			d.spans.Add(int64(len(ss.Spans)))
		}
	}
	d.bytes.Add(int64(len(body)))
	return err
}

func cpuNs() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func main() {
	count := 400000
	if len(os.Args) > 1 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	ctx := context.Background()
	client := &discard{}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		panic(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.Default()))
	tracer := provider.Tracer("bench")
	run := func(n int) {
		for i := 0; i < n; i++ {
			_, span := tracer.Start(ctx, "GET /api/users/:id", trace.WithSpanKind(trace.SpanKindServer))
			span.SetAttributes(attribute.String("http.request.method", "GET"))
			span.SetAttributes(attribute.String("url.path", "/api/users/4711"))
			span.SetAttributes(attribute.String("http.route", "/api/users/:id"))
			span.SetAttributes(attribute.String("server.address", "shop.example.com"))
			span.SetAttributes(attribute.String("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"))
			span.SetAttributes(attribute.Int("http.response.status_code", 200))
			span.End()
			if i%500 == 499 { // bursts that fit the queue, so that nothing is dropped
				_ = provider.ForceFlush(ctx)
			}
		}
	}
	run(20000)
	client.spans.Store(0)
	client.bytes.Store(0)
	before := cpuNs()
	run(count)
	_ = provider.ForceFlush(ctx)
	spent := cpuNs() - before
	exported := client.spans.Load()
	fmt.Printf("go_sdk_cpu_ns_per_span %d\n", spent/int64(count))
	fmt.Printf("go_sdk_bytes_per_span %d\n", client.bytes.Load()/max(exported, 1))
	fmt.Printf("go_sdk_exported_share %.3f\n", float64(exported)/float64(count))
}
