package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// What its claims or its partitions read, in one channel. It cannot go back within a session.
type saramaClient struct {
	words    map[string]string
	topic    string
	producer sarama.SyncProducer
	client   sarama.Client
	group    sarama.ConsumerGroup
	consumer sarama.Consumer
	messages chan *sarama.ConsumerMessage
	leave    context.CancelFunc
	mutex    sync.Mutex
	session  sarama.ConsumerGroupSession // nil while there is none
}

func (s *saramaClient) config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = s.words["name"]
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.MaxWaitTime = 50 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Group.InstanceId = s.words["instance"]
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	if s.words["isolation"] == "read_uncommitted" {
		config.Consumer.IsolationLevel = sarama.ReadUncommitted
	}
	return config
}

func (s *saramaClient) brokers() []string { return []string{s.words["broker"]} }

func (s *saramaClient) init() error {
	config := s.config()
	config.Producer.Transaction.ID = s.words["id"]
	config.Producer.Transaction.Timeout = time.Duration(number(s.words["timeout_ms"])) * time.Millisecond
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Net.MaxOpenRequests = 1
	var err error
	s.producer, err = sarama.NewSyncProducer(s.brokers(), config)
	return err
}

func (s *saramaClient) begin() error { return s.producer.BeginTxn() }

func (s *saramaClient) send(topic string, records []pair) error {
	var messages []*sarama.ProducerMessage
	for _, r := range records {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: r.partition, Value: sarama.StringEncoder(itoa(r.number))})
	}
	return s.producer.SendMessages(messages)
}

func (s *saramaClient) offsets(offsets []pair) error {
	asked := map[string][]*sarama.PartitionOffsetMetadata{}
	for _, o := range offsets {
		asked[s.topic] = append(asked[s.topic], &sarama.PartitionOffsetMetadata{Partition: o.partition, Offset: o.number, LeaderEpoch: -1})
	}
	s.mutex.Lock()
	session := s.session
	s.mutex.Unlock()
	if session == nil {
		return errors.New("it has no session")
	}
	var instance *string
	if s.words["instance"] != "" {
		word := s.words["instance"]
		instance = &word
	}
	return s.producer.AddOffsetsToTxnWithGroupMetadata(asked,
		sarama.NewConsumerGroupMetadataFromSession(session, s.words["group"], instance))
}

func (s *saramaClient) commit() error { return s.producer.CommitTxn() }
func (s *saramaClient) abort() error  { return s.producer.AbortTxn() }

func (s *saramaClient) Setup(session sarama.ConsumerGroupSession) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.session = session
	return nil
}

func (s *saramaClient) Cleanup(sarama.ConsumerGroupSession) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.session = nil
	return nil
}

func (s *saramaClient) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case s.messages <- message:
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func (s *saramaClient) subscribe(topic string) error {
	s.topic = topic
	s.messages = make(chan *sarama.ConsumerMessage)
	var err error
	if s.client, err = sarama.NewClient(s.brokers(), s.config()); err != nil {
		return err
	}
	if s.group, err = sarama.NewConsumerGroupFromClient(s.words["group"], s.client); err != nil {
		return err
	}
	leaving, leave := context.WithCancel(context.Background())
	s.leave = leave
	go func() {
		for leaving.Err() == nil {
			err := s.group.Consume(leaving, []string{topic}, s)
			if err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) && leaving.Err() == nil {
				check(err)
			}
		}
	}()
	return nil
}

func (s *saramaClient) assign(topics []string, count int32) error {
	s.messages = make(chan *sarama.ConsumerMessage)
	var err error
	if s.consumer, err = sarama.NewConsumer(s.brokers(), s.config()); err != nil {
		return err
	}
	for _, topic := range topics {
		for p := int32(0); p < count; p++ {
			reader, err := s.consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
			if err != nil {
				return err
			}
			go func() {
				for message := range reader.Messages() {
					s.messages <- message
				}
			}()
		}
	}
	return nil
}

func (s *saramaClient) poll() (polled, error) {
	got := newPolled()
	over := time.After(pollWait)
	for len(got.Records) < pollRecords {
		wait := over
		if len(got.Records) > 0 {
			wait = time.After(time.Millisecond)
		}
		select {
		case message := <-s.messages:
			got.add(message.Topic, message.Partition, message.Offset, message.Value)
			continue
		case <-wait:
		}
		break
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.session != nil {
		got.Assigned = append(got.Assigned, s.session.Claims()[s.topic]...)
	}
	return got, nil
}

func (s *saramaClient) seek([]pair) error {
	return errors.New("sarama cannot go back within a session")
}

func (s *saramaClient) told(partitions []int32) (map[int32]int64, error) {
	admin, err := sarama.NewClusterAdmin(s.brokers(), s.config())
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	answer, err := admin.ListConsumerGroupOffsets(s.words["group"], map[string][]int32{s.topic: partitions})
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, p := range partitions {
		if block := answer.GetBlock(s.topic, p); block != nil && block.Offset >= 0 {
			offsets[p] = block.Offset
		}
	}
	return offsets, nil
}

func (s *saramaClient) close() error {
	var err error
	if s.group != nil {
		s.leave()
		err = s.group.Close()
	}
	if s.producer != nil {
		err = errors.Join(err, s.producer.Close())
	}
	return err
}

func (s *saramaClient) isFenced(err error) bool {
	var failed sarama.ProducerErrors
	if errors.As(err, &failed) {
		for _, one := range failed {
			if s.isFenced(one.Err) {
				return true
			}
		}
	}
	return errors.Is(err, sarama.ErrProducerFenced) || errors.Is(err, sarama.ErrInvalidProducerEpoch)
}
