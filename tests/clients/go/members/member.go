// Members of a group by franz-go, sarama and kafka-go; ../../groups/members/member.py says how a member is asked, ../../groups/judge.py
// what it says. usage: members franz|sarama|kafkago NAME=VALUE ...
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type record [3]int64 // partition, offset, number

// A member's words, and what it has: all calls lock, since some clients call from many goroutines.
type member struct {
	words       map[string]string
	commitEvery int
	mutex       sync.Mutex
	next        map[int32]int64 // of what it has; -1: nothing read yet
	uncommitted int
}

func newMember(arguments []string) *member {
	m := &member{words: map[string]string{}, next: map[int32]int64{}}
	for _, argument := range arguments {
		key, value, _ := strings.Cut(argument, "=")
		m.words[key] = value
	}
	m.commitEvery = int(m.number("commit_every"))
	return m
}

func (m *member) number(word string) int64 {
	value, err := strconv.ParseInt(m.words[word], 10, 64)
	check(err)
	return value
}

func (m *member) session() time.Duration {
	return time.Duration(m.number("session_ms")) * time.Millisecond
}

// A line is one write, so that the pipe keeps the order of all members.
func (m *member) say(event, name string, value any) {
	line, err := json.Marshal(map[string]any{"member": m.words["member"], "event": event, name: value})
	check(err)
	_, err = os.Stdout.Write(append(line, '\n'))
	check(err)
}

func (m *member) assigned(partitions []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if len(partitions) == 0 {
		return
	}
	m.say("assigned", "partitions", partitions)
	for _, p := range partitions {
		m.next[p] = -1
	}
}

func (m *member) gone(event string, partitions []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var had []int32
	for _, p := range partitions {
		if _, has := m.next[p]; has {
			had = append(had, p)
			delete(m.next, p)
		}
	}
	if len(had) > 0 {
		sort.Slice(had, func(i, j int) bool { return had[i] < had[j] })
		m.say(event, "partitions", had)
	}
}

func (m *member) read(records []record) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for len(records) > 0 {
		some := records[:min(len(records), 100)]
		records = records[len(some):]
		m.say("records", "records", some)
		for _, r := range some {
			m.next[int32(r[0])] = r[1] + 1
		}
		m.uncommitted += len(some)
	}
}

// What is to be committed of these; nil: of all that it has.
func (m *member) offsets(partitions []int32) map[int32]int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	offsets := map[int32]int64{}
	for p, offset := range m.next {
		if offset >= 0 && (partitions == nil || contains(partitions, p)) {
			offsets[p] = offset
		}
	}
	return offsets
}

func (m *member) isDue() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.uncommitted >= m.commitEvery
}

func (m *member) committed(offsets map[int32]int64) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.uncommitted = 0
	m.say("committed", "offsets", offsets)
}

func (m *member) refused(err error) { m.say("refused", "error", err.Error()) }

func contains(partitions []int32, p int32) bool {
	for _, one := range partitions {
		if one == p {
			return true
		}
	}
	return false
}

func value(bytes []byte) int64 {
	number, err := strconv.ParseInt(string(bytes), 10, 64)
	check(err)
	return number
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	m := newMember(os.Args[2:])
	leaving, leave := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		leave()
	}()
	switch os.Args[1] {
	case "franz":
		runFranz(leaving, m)
	case "sarama":
		runSarama(leaving, m)
	case "kafkago":
		runKafkaGo(leaving, m)
	default:
		check(fmt.Errorf("there is no member by '%s'", os.Args[1]))
	}
}
