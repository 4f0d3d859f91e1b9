package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// A claim is a partition from its assignment to its revocation, in the eager and the cooperative protocol.
type saramaHandler struct {
	m          *member
	admin      sarama.ClusterAdmin
	committing sync.Mutex
}

func (h *saramaHandler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (h *saramaHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// Commit() tells no outcome; what the broker then says is committed is.
func (h *saramaHandler) commit(session sarama.ConsumerGroupSession, partitions []int32) {
	h.committing.Lock()
	defer h.committing.Unlock()
	topic := h.m.words["topic"]
	for p, offset := range h.m.offsets(partitions) {
		session.MarkOffset(topic, p, offset, "")
	}
	session.Commit()
	for p := range h.m.offsets(partitions) {
		partitions = append(partitions, p)
	}
	answer, err := h.admin.ListConsumerGroupOffsets(h.m.words["group"], map[string][]int32{topic: partitions})
	if err != nil {
		h.m.refused(err)
		return
	}
	taken := map[int32]int64{}
	for p := range h.m.offsets(partitions) {
		if block := answer.GetBlock(topic, p); block != nil && block.Offset >= 0 {
			taken[p] = block.Offset
		}
	}
	h.m.committed(taken)
}

func (h *saramaHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	mine := []int32{claim.Partition()}
	h.m.assigned(mine)
	for message := range claim.Messages() {
		h.m.read([]record{{int64(message.Partition), message.Offset, value(message.Value)}})
		if h.m.isDue() {
			h.commit(session, mine)
		}
	}
	h.commit(session, mine)
	h.m.gone("revoked", mine)
	return nil
}

func runSarama(leaving context.Context, m *member) {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = m.words["member"]
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.MaxWaitTime = 50 * time.Millisecond
	config.Consumer.Group.Session.Timeout = m.session()
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Group.InstanceId = m.words["instance"]
	strategy := sarama.NewBalanceStrategyRange()
	if m.words["assignor"] == "cooperative-sticky" {
		strategy = sarama.NewBalanceStrategyCooperativeSticky()
	}
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	brokers := []string{m.words["broker"]}
	admin, err := sarama.NewClusterAdmin(brokers, config)
	check(err)
	group, err := sarama.NewConsumerGroup(brokers, m.words["group"], config)
	check(err)
	handler := &saramaHandler{m: m, admin: admin}
	for leaving.Err() == nil {
		err = group.Consume(leaving, []string{m.words["topic"]}, handler)
		if err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) && !errors.Is(err, context.Canceled) {
			check(err)
		}
	}
	check(group.Close())
	check(admin.Close())
}
