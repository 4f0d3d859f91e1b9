// What the members in JavaScript share; ../groups/members/member.py says how one is asked, ../groups/judge.py what it says.
import fs from 'node:fs';

const LINE_RECORDS = 100; // a line is one write, below PIPE_BUF

export class Member {
    constructor() {
        this.words = Object.fromEntries(process.argv.slice(2).map((word) => {
            const at = word.indexOf('=');
            return [word.slice(0, at), word.slice(at + 1)];
        }));
        this.next = new Map(); // by partition that it has; undefined: nothing read yet
        this.uncommitted = 0;
        this.leaving = new Promise((resolve) => process.stdin.resume().on('end', resolve));
    }

    say(event, more) {
        fs.writeSync(1, JSON.stringify({ member: this.words.member, event, ...more }) + '\n');
    }

    assigned(partitions) {
        if (partitions.length === 0) return;
        this.say('assigned', { partitions });
        for (const p of partitions) this.next.set(p, undefined);
    }

    gone(event, partitions) {
        const had = partitions.filter((p) => this.next.has(p));
        if (had.length > 0) this.say(event, { partitions: had });
        for (const p of had) this.next.delete(p);
    }

    owned() { return [...this.next.keys()]; }

    // Triples of partition, offset, number.
    read(records) {
        for (let i = 0; i < records.length; i += LINE_RECORDS) {
            this.say('records', { records: records.slice(i, i + LINE_RECORDS) });
        }
        for (const [p, offset] of records) this.next.set(p, offset + 1);
        this.uncommitted += records.length;
    }

    offsets() {
        return Object.fromEntries([...this.next].filter(([, offset]) => offset !== undefined));
    }

    isDue() { return this.uncommitted >= Number(this.words.commit_every); }

    committed(offsets) {
        this.uncommitted = 0;
        this.say('committed', { offsets });
    }

    refused(error) { this.say('refused', { error: `${error.message ?? error}` }); }
}
