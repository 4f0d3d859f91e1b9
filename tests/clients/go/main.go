// franz-go against a Weir server. usage: clients BROKER
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var claims int

func claim(what string, isSo bool, got ...any) {
	if !isSo {
		fmt.Println("not ok -", what, "; got", got)
		os.Exit(1)
	}
	claims++
	fmt.Printf("ok %d - %s\n", claims, what)
}

func check(err error) {
	if err != nil {
		fmt.Println("not ok -", err)
		os.Exit(1)
	}
}

func client(broker string, options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append(options, kgo.SeedBrokers(broker))...)
	check(err)
	return made
}

func read(broker, topic string, count int) []*kgo.Record {
	reader := client(broker, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := reader.PollFetches(ctx)
		check(fetches.Err())
		records = append(records, fetches.Records()...)
	}
	return records
}

func main() {
	broker := os.Args[1]
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	writer := client(broker, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1<<20))
	defer writer.Close()
	admin := kadm.NewClient(writer)

	_, err := admin.CreateTopic(ctx, 3, 1, nil, "go")
	check(err)
	_, err = admin.CreateTopic(ctx, 3, 1, nil, "go")
	claim("a topic is not created twice", err != nil && strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS"), err)
	topics, err := admin.ListTopics(ctx, "go")
	check(err)
	claim("its partitions and its id are listed", len(topics["go"].Partitions) == 3 && topics["go"].ID != kadm.TopicID{}, topics)

	var sent []*kgo.Record
	for i := 0; i < 3000; i++ {
		sent = append(sent, &kgo.Record{Topic: "go", Partition: int32(i % 3), Key: []byte(fmt.Sprint("k", i)),
			Value: []byte(fmt.Sprint("v", i)), Headers: []kgo.RecordHeader{{Key: "n", Value: []byte{byte(i)}}}})
	}
	check(writer.ProduceSync(ctx, sent...).FirstErr())
	claim("three thousand idempotent records are acknowledged", true)
	got := map[string]*kgo.Record{}
	for _, record := range read(broker, "go", 3000) {
		got[string(record.Key)] = record
	}
	isSame := len(got) == 3000
	for _, record := range sent {
		found := got[string(record.Key)]
		isSame = isSame && found != nil && bytes.Equal(found.Value, record.Value) &&
			found.Offset == record.Offset && bytes.Equal(found.Headers[0].Value, record.Headers[0].Value)
	}
	claim("they come back from all partitions, by topic id and in fetch sessions", isSame, len(got))

	for name, codec := range map[string]kgo.CompressionCodec{"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		packer := client(broker, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		_, err = admin.CreateTopic(ctx, 1, 1, nil, "go-"+name)
		check(err)
		var packed []*kgo.Record
		for i := 0; i < 2000; i++ {
			packed = append(packed, &kgo.Record{Topic: "go-" + name, Value: []byte(strings.Repeat(fmt.Sprint("value ", i), 5))})
		}
		check(packer.ProduceSync(ctx, packed...).FirstErr())
		packer.Close()
		records := read(broker, "go-"+name, 2000)
		isSame = true
		for i, record := range records {
			isSame = isSame && bytes.Equal(record.Value, packed[i].Value)
		}
		claim(name+" comes back", isSame)
	}

	offsets, err := admin.ListEndOffsets(ctx, "go")
	check(err)
	claim("end offsets are listed", offsets["go"][1].Offset == 1000, offsets)
	_, err = admin.DeleteTopics(ctx, "go")
	check(err)
	topics, err = admin.ListTopics(ctx)
	check(err)
	claim("a deleted topic is gone", !topics.Has("go"))
	fmt.Printf("Checks: %d, Failures: 0, Errors: 0\n", claims)
}
