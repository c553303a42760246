// Sends the scenario with the official Go SDK, or takes part in one request that crosses languages.
//
//	sender send ENDPOINT PROTOCOL COMPRESSION SERVICE BASE_NS REMOTE_TRACE_ID SCENARIO.json
//	sender call ENDPOINT PROTOCOL SERVICE METHOD URL
//
// PROTOCOL is grpc or http/protobuf, COMPRESSION none or gzip. `send` prints one line of JSON: the ids that
// the SDK gave to the spans, and the attribute keys that it cannot record. `call` makes one HTTP request to
// URL inside a CLIENT span, with W3C trace context in its headers, and prints trace id, span id and status.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// anyValue is OTLP/JSON's AnyValue; exactly one field is set.
type anyValue struct {
	String *string          `json:"stringValue"`
	Bool   *bool            `json:"boolValue"`
	Int    *string          `json:"intValue"`
	Double *json.RawMessage `json:"doubleValue"`
	Bytes  *string          `json:"bytesValue"`
	Array  *struct {
		Values []anyValue `json:"values"`
	} `json:"arrayValue"`
	Map *struct {
		Values []keyValue `json:"values"`
	} `json:"kvlistValue"`
}

type keyValue struct {
	Key   string   `json:"key"`
	Value anyValue `json:"value"`
}

type event struct {
	Name       string
	At         int64
	Attributes []keyValue
}

type link struct {
	To         string
	Attributes []keyValue
}

type span struct {
	Name, Kind, Parent, Status, Message string
	Start, End                          int64
	Attributes                          []keyValue
	Events                              []event
	Links                               []link
	Remote                              *struct{ SpanID, Tracestate string }
}

type scenario struct {
	Resource []keyValue
	Scope    struct{ Name, Version string }
	Spans    []span
}

var kinds = map[string]trace.SpanKind{
	"INTERNAL": trace.SpanKindInternal, "SERVER": trace.SpanKindServer, "CLIENT": trace.SpanKindClient,
	"PRODUCER": trace.SpanKindProducer, "CONSUMER": trace.SpanKindConsumer,
}

var statuses = map[string]codes.Code{"OK": codes.Ok, "ERROR": codes.Error}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (v anyValue) value() attribute.Value {
	switch {
	case v.Bool != nil:
		return attribute.BoolValue(*v.Bool)
	case v.Int != nil:
		number, err := strconv.ParseInt(*v.Int, 10, 64)
		check(err)
		return attribute.Int64Value(number)
	case v.Double != nil:
		number, err := strconv.ParseFloat(strings.Trim(string(*v.Double), `"`), 64)
		check(err)
		return attribute.Float64Value(number)
	case v.Bytes != nil:
		bytes, err := base64.StdEncoding.DecodeString(*v.Bytes)
		check(err)
		return attribute.ByteSliceValue(bytes)
	case v.Array != nil:
		values := []attribute.Value{}
		for _, item := range v.Array.Values {
			values = append(values, item.value())
		}
		return typedSlice(values)
	case v.Map != nil:
		return attribute.MapValue(attributes(v.Map.Values)...)
	}
	return attribute.StringValue(*v.String)
}

// typedSlice uses the SDK's older types for arrays of one kind, as nearly all programs do.
func typedSlice(values []attribute.Value) attribute.Value {
	texts, numbers := []string{}, []int64{}
	for _, value := range values {
		switch value.Type() {
		case attribute.STRING:
			texts = append(texts, value.AsString())
		case attribute.INT64:
			numbers = append(numbers, value.AsInt64())
		}
	}
	switch len(values) {
	case len(texts):
		return attribute.StringSliceValue(texts)
	case len(numbers):
		return attribute.Int64SliceValue(numbers)
	}
	return attribute.SliceValue(values...)
}

func attributes(rows []keyValue) []attribute.KeyValue {
	out := []attribute.KeyValue{}
	for _, row := range rows {
		out = append(out, attribute.KeyValue{Key: attribute.Key(row.Key), Value: row.Value.value()})
	}
	return out
}

func exporter(endpoint, protocol, compression string) sdktrace.SpanExporter {
	ctx := context.Background()
	if protocol == "grpc" {
		options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(endpoint), otlptracegrpc.WithInsecure()}
		if compression == "gzip" {
			options = append(options, otlptracegrpc.WithCompressor("gzip"))
		}
		out, err := otlptracegrpc.New(ctx, options...)
		check(err)
		return out
	}
	kind := otlptracehttp.NoCompression
	if compression == "gzip" {
		kind = otlptracehttp.GzipCompression
	}
	out, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"), otlptracehttp.WithCompression(kind))
	check(err)
	return out
}

// watched remembers a failed export: a lost batch must not pass for a sent one.
type watched struct {
	sdktrace.SpanExporter
	err error
}

func (w *watched) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := w.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		w.err = err
	}
	return err
}

func provider(out sdktrace.SpanExporter, service string, more []keyValue) *sdktrace.TracerProvider {
	all := append(attributes(more), attribute.String("service.name", service))
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(out), sdktrace.WithResource(resource.NewSchemaless(all...)))
}

func remoteContext(row span, traceID string) context.Context {
	id, err := trace.TraceIDFromHex(traceID)
	check(err)
	spanID, err := trace.SpanIDFromHex(row.Remote.SpanID)
	check(err)
	state, err := trace.ParseTraceState(row.Remote.Tracestate)
	check(err)
	return trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: spanID, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true}))
}

func record(tracer trace.Tracer, rows []span, base time.Time, remoteTraceID string) map[string]trace.Span {
	spans := map[string]trace.Span{}
	at := func(us int64) trace.SpanEventOption {
		return trace.WithTimestamp(base.Add(time.Duration(us) * time.Microsecond))
	}
	for _, row := range rows {
		ctx := context.Background()
		if row.Parent != "" {
			ctx = trace.ContextWithSpan(ctx, spans[row.Parent])
		} else if row.Remote != nil {
			ctx = remoteContext(row, remoteTraceID)
		}
		links := []trace.Link{}
		for _, item := range row.Links {
			links = append(links, trace.Link{SpanContext: spans[item.To].SpanContext(), Attributes: attributes(item.Attributes)})
		}
		_, one := tracer.Start(ctx, row.Name, trace.WithSpanKind(kinds[row.Kind]), at(row.Start),
			trace.WithAttributes(attributes(row.Attributes)...), trace.WithLinks(links...))
		for _, item := range row.Events {
			one.AddEvent(item.Name, at(item.At), trace.WithAttributes(attributes(item.Attributes)...))
		}
		if row.Status != "" {
			one.SetStatus(statuses[row.Status], row.Message)
		}
		spans[row.Name] = one
	}
	for _, row := range rows {
		spans[row.Name].End(at(row.End))
	}
	return spans
}

func send(endpoint, protocol, compression, service, baseNS, remoteTraceID, file string) {
	var rows scenario
	text, err := os.ReadFile(file)
	check(err)
	check(json.Unmarshal(text, &rows))
	ns, err := strconv.ParseInt(baseNS, 10, 64)
	check(err)
	out := &watched{SpanExporter: exporter(endpoint, protocol, compression)}
	sdk := provider(out, service, rows.Resource)
	tracer := sdk.Tracer(rows.Scope.Name, trace.WithInstrumentationVersion(rows.Scope.Version))
	ids := map[string][2]string{}
	for name, one := range record(tracer, rows.Spans, time.Unix(0, ns), remoteTraceID) {
		ids[name] = [2]string{one.SpanContext().TraceID().String(), one.SpanContext().SpanID().String()}
	}
	check(sdk.Shutdown(context.Background()))
	check(out.err)
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"spans": ids, "left_out": []string{}}))
}

func call(endpoint, protocol, service, method, url string) {
	out := &watched{SpanExporter: exporter(endpoint, protocol, "none")}
	sdk := provider(out, service, nil)
	ctx, one := sdk.Tracer("kiseki.e2e").Start(context.Background(), "call from Go", trace.WithSpanKind(trace.SpanKindClient))
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	check(err)
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(request.Header))
	answer, err := http.DefaultClient.Do(request)
	check(err)
	_, err = io.Copy(io.Discard, answer.Body)
	check(err)
	one.End()
	check(sdk.Shutdown(context.Background()))
	check(out.err)
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"traceId": one.SpanContext().TraceID().String(), "spanId": one.SpanContext().SpanID().String(),
		"status": answer.StatusCode}))
}

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 8 && args[0] == "send":
		send(args[1], args[2], args[3], args[4], args[5], args[6], args[7])
	case len(args) == 6 && args[0] == "call":
		call(args[1], args[2], args[3], args[4], args[5])
	default:
		fmt.Fprintln(os.Stderr, "usage: see the head of main.go")
		os.Exit(2)
	}
}
