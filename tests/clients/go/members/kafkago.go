package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// One partition of a generation: kafka-go joins again only when all that it started has ended.
func kafkaGoRead(ctx context.Context, m *member, generation *kafka.Generation, p int, offset int64) {
	topic, mine := m.words["topic"], []int32{int32(p)}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{m.words["broker"]}, Topic: topic, Partition: p,
		MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 50 * time.Millisecond})
	defer reader.Close()
	check(reader.SetOffset(offset))
	commit := func() {
		offsets := m.offsets(mine)
		if len(offsets) == 0 {
			return
		}
		err := generation.CommitOffsets(map[string]map[int]int64{topic: {p: offsets[int32(p)]}})
		if err != nil {
			m.refused(err)
		} else {
			m.committed(offsets)
		}
	}
	for {
		message, err := reader.ReadMessage(ctx)
		if errors.Is(err, context.Canceled) || errors.Is(err, kafka.ErrGenerationEnded) {
			break
		}
		check(err)
		m.read([]record{{int64(p), message.Offset, value(message.Value)}})
		if m.isDue() {
			commit()
		}
	}
	commit()
	m.gone("revoked", mine)
}

func runKafkaGo(leaving context.Context, m *member) {
	topic := m.words["topic"]
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: m.words["group"],
		Brokers: []string{m.words["broker"]}, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		HeartbeatInterval: 500 * time.Millisecond, SessionTimeout: m.session(), RebalanceTimeout: 30 * time.Second,
		JoinGroupBackoff: 100 * time.Millisecond})
	check(err)
	ended := make(chan struct{})
	go func() {
		<-leaving.Done()
		check(group.Close()) // leaves when the generation's functions have ended
		close(ended)
	}()
	for {
		generation, err := group.Next(leaving)
		if err != nil {
			if leaving.Err() != nil || errors.Is(err, kafka.ErrGroupClosed) {
				break
			}
			continue // it joins again by itself
		}
		var mine []int32
		for _, assigned := range generation.Assignments[topic] {
			mine = append(mine, int32(assigned.ID))
		}
		m.assigned(mine)
		for _, assigned := range generation.Assignments[topic] {
			p, offset := assigned.ID, assigned.Offset
			generation.Start(func(ctx context.Context) { kafkaGoRead(ctx, m, generation, p, offset) })
		}
	}
	<-ended
}
