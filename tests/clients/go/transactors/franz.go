package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// One client produces and consumes: the offsets of its group go into its own transactions.
type franz struct {
	words    map[string]string
	client   *kgo.Client
	session  *kgo.GroupTransactSession // of who is in a group
	topic    string
	mutex    sync.Mutex
	assigned map[int32]bool
}

func (f *franz) options() []kgo.Opt {
	isolation := kgo.ReadCommitted()
	if f.words["isolation"] == "read_uncommitted" {
		isolation = kgo.ReadUncommitted()
	}
	return []kgo.Opt{kgo.SeedBrokers(f.words["broker"]), kgo.ClientID(f.words["name"]),
		kgo.FetchIsolationLevel(isolation), kgo.FetchMaxWait(50 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
}

func (f *franz) open(options ...kgo.Opt) error {
	var err error
	f.client, err = kgo.NewClient(append(options, f.options()...)...)
	return err
}

func (f *franz) transactional() []kgo.Opt {
	return []kgo.Opt{kgo.TransactionalID(f.words["id"]), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionTimeout(time.Duration(number(f.words["timeout_ms"])) * time.Millisecond)}
}

func (f *franz) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _, err := f.client.ProducerID(ctx)
	return err
}

func (f *franz) init() error {
	if err := f.open(f.transactional()...); err != nil {
		return err
	}
	return f.ready()
}

func (f *franz) begin() error {
	if f.session != nil {
		return f.session.Begin()
	}
	return f.client.BeginTransaction()
}

func (f *franz) send(topic string, records []pair) error {
	var sent []*kgo.Record
	for _, r := range records {
		sent = append(sent, &kgo.Record{Topic: topic, Partition: r.partition, Value: []byte(itoa(r.number))})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return f.client.ProduceSync(ctx, sent...).FirstErr()
}

// The session sends what was polled when it commits, and goes back by itself when it aborts.
func (f *franz) offsets([]pair) error { return nil }
func (f *franz) seek([]pair) error    { return nil }

func (f *franz) end(how kgo.TransactionEndTry) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if f.session != nil {
		isCommitted, err := f.session.End(ctx, how)
		if err == nil && bool(how) && !isCommitted {
			err = errors.New("the session was rebalanced, and aborted")
		}
		return err
	}
	if how == kgo.TryAbort {
		if err := f.client.AbortBufferedRecords(ctx); err != nil {
			return err
		}
	}
	return f.client.EndTransaction(ctx, how)
}

func (f *franz) commit() error { return f.end(kgo.TryCommit) }
func (f *franz) abort() error  { return f.end(kgo.TryAbort) }

func (f *franz) subscribe(topic string) error {
	f.topic = topic
	f.assigned = map[int32]bool{}
	options := append(f.transactional(), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(f.words["group"]),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.Balancers(kgo.RangeBalancer()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, places map[string][]int32) {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			for _, p := range places[topic] {
				f.assigned[p] = true
			}
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, places map[string][]int32) {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			for _, p := range places[topic] {
				delete(f.assigned, p)
			}
		}))
	if f.words["instance"] != "" {
		options = append(options, kgo.InstanceID(f.words["instance"]))
	}
	f.client.Close()
	var err error
	if f.session, err = kgo.NewGroupTransactSession(append(options, f.options()...)...); err != nil {
		return err
	}
	f.client = f.session.Client()
	return f.ready()
}

func (f *franz) assign(topics []string, count int32) error {
	return f.open(kgo.ConsumeTopics(topics...))
}

func (f *franz) poll() (polled, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pollWait)
	defer cancel()
	got := newPolled()
	fetches := f.client.PollRecords(ctx, pollRecords)
	for _, failed := range fetches.Errors() {
		if !errors.Is(failed.Err, context.DeadlineExceeded) {
			return got, failed.Err
		}
	}
	fetches.EachRecord(func(r *kgo.Record) { got.add(r.Topic, r.Partition, r.Offset, r.Value) })
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for p := range f.assigned {
		got.Assigned = append(got.Assigned, p)
	}
	return got, nil
}

func (f *franz) told(partitions []int32) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := kadm.NewClient(f.client).FetchOffsets(ctx, f.words["group"])
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, p := range partitions {
		if at, has := found.Lookup(f.topic, p); has && at.At >= 0 {
			offsets[p] = at.At
		}
	}
	return offsets, nil
}

func (f *franz) close() error {
	if f.session != nil {
		f.session.Close()
	} else if f.client != nil {
		f.client.Close()
	}
	return nil
}

func (f *franz) isFenced(err error) bool {
	return errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.ProducerFenced)
}
