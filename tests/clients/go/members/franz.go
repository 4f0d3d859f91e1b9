package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func franzBalancer(m *member) kgo.GroupBalancer {
	return map[string]kgo.GroupBalancer{
		"range":              kgo.RangeBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
		"uniform":            kgo.StickyBalancer(), // what it calls the broker's
	}[m.words["assignor"]]
}

// Some may be acknowledged and others not.
func franzCommit(client *kgo.Client, m *member, partitions []int32) {
	topic := m.words["topic"]
	asked := map[string]map[int32]kgo.EpochOffset{topic: {}}
	for p, offset := range m.offsets(partitions) {
		asked[topic][p] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	if len(asked[topic]) == 0 {
		return
	}
	client.CommitOffsetsSync(context.Background(), asked, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest,
		answer *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			m.refused(err)
			return
		}
		taken := map[int32]int64{}
		for _, answered := range answer.Topics[0].Partitions {
			if err := kerr.ErrorForCode(answered.ErrorCode); err != nil {
				m.refused(err)
			} else {
				taken[answered.Partition] = asked[topic][answered.Partition].Offset
			}
		}
		m.committed(taken)
	})
}

func runFranz(leaving context.Context, m *member) {
	topic := m.words["topic"]
	options := []kgo.Opt{
		kgo.SeedBrokers(m.words["broker"]), kgo.ClientID(m.words["member"]), kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(m.words["group"]), kgo.Balancers(franzBalancer(m)), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50 * time.Millisecond),
		kgo.SessionTimeout(m.session()), kgo.HeartbeatInterval(500 * time.Millisecond), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, places map[string][]int32) {
			m.assigned(places[topic])
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, client *kgo.Client, places map[string][]int32) {
			franzCommit(client, m, places[topic])
			m.gone("revoked", places[topic])
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, places map[string][]int32) {
			m.gone("lost", places[topic])
		}),
	}
	if m.words["instance"] != "" {
		options = append(options, kgo.InstanceID(m.words["instance"]))
	}
	if m.words["protocol"] == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	client, err := kgo.NewClient(options...)
	check(err)
	for leaving.Err() == nil {
		fetches := client.PollRecords(leaving, 50)
		for _, failed := range fetches.Errors() {
			if !errors.Is(failed.Err, context.Canceled) {
				check(failed.Err)
			}
		}
		var records []record
		fetches.EachRecord(func(r *kgo.Record) {
			records = append(records, record{int64(r.Partition), r.Offset, value(r.Value)})
		})
		m.read(records)
		if m.isDue() {
			franzCommit(client, m, nil)
		}
		client.AllowRebalance()
	}
	franzCommit(client, m, nil)
	client.CloseAllowingRebalance()
	for p := range m.offsets(nil) { // a static member does not give up what it has
		m.gone("revoked", []int32{p})
	}
}
