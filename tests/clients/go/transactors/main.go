// Producers and consumers by franz-go and sarama; ../../transactions/members/driver.py says how they are
// asked and what they answer. usage: transactors franz|sarama NAME=VALUE ...
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	pollWait    = 100 * time.Millisecond
	pollRecords = 200
	patience    = 30 * time.Second
)

type pair struct {
	partition int32
	number    int64 // or an offset
}

type polled struct {
	Records  [][4]any `json:"records"` // topic, partition, offset, number
	Assigned []int32  `json:"assigned"`
}

type client interface {
	init() error
	begin() error
	send(topic string, records []pair) error
	offsets(offsets []pair) error
	commit() error
	abort() error
	subscribe(topic string) error
	assign(topics []string, count int32) error
	poll() (polled, error)
	seek(offsets []pair) error
	told(partitions []int32) (map[int32]int64, error)
	close() error
	isFenced(err error) bool
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	check(err)
	return value
}

func pairs(words ...string) []pair {
	var made []pair
	for _, word := range strings.Split(strings.Join(words, ","), ",") {
		left, right, _ := strings.Cut(word, ":")
		made = append(made, pair{int32(number(left)), number(right)})
	}
	return made
}

func newPolled() polled { return polled{Records: [][4]any{}, Assigned: []int32{}} }

func (p *polled) add(topic string, partition int32, offset int64, value []byte) {
	p.Records = append(p.Records, [4]any{topic, partition, offset, number(string(value))})
}

func do(c client, request []string) (any, error) {
	nothing := map[string]any{}
	switch request[0] {
	case "init":
		return nothing, c.init()
	case "begin":
		return nothing, c.begin()
	case "send":
		return nothing, c.send(request[1], pairs(request[2:]...))
	case "offsets":
		return nothing, c.offsets(pairs(request[1]))
	case "commit":
		return nothing, c.commit()
	case "abort":
		return nothing, c.abort()
	case "subscribe":
		return nothing, c.subscribe(request[1])
	case "assign":
		return nothing, c.assign(strings.Split(request[1], ","), int32(number(request[2])))
	case "poll":
		return c.poll()
	case "seek":
		return nothing, c.seek(pairs(request[1]))
	case "told":
		var partitions []int32
		for _, word := range strings.Split(request[1], ",") {
			partitions = append(partitions, int32(number(word)))
		}
		offsets, err := c.told(partitions)
		return map[string]any{"offsets": offsets}, err
	case "close":
		return nothing, c.close()
	}
	return nil, fmt.Errorf("nothing is known of '%s'", request[0])
}

func main() {
	words := map[string]string{}
	for _, argument := range os.Args[2:] {
		key, value, _ := strings.Cut(argument, "=")
		words[key] = value
	}
	clients := map[string]client{
		"franz": &franz{words: words}, "sarama": &saramaClient{words: words},
	}
	c := clients[os.Args[1]]
	if c == nil {
		check(fmt.Errorf("there is no client '%s'", os.Args[1]))
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		answer, err := do(c, strings.Fields(lines.Text()))
		if err != nil {
			answer = map[string]any{"error": err.Error(), "is_fenced": c.isFenced(err)}
		}
		line, err := json.Marshal(answer)
		check(err)
		fmt.Println(string(line))
	}
}

func itoa(value int64) string { return strconv.FormatInt(value, 10) }
