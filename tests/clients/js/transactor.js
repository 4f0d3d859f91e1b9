// What the producers and consumers in JavaScript share; ../transactions/members/driver.py says how one is asked and what it answers.
import readline from 'node:readline';

export const POLL_MS = 100;
export const POLL_RECORDS = 200;
const FENCED = /PRODUCER_FENCED|INVALID_PRODUCER_EPOCH/;

export const words = Object.fromEntries(process.argv.slice(2).map((word) => {
    const at = word.indexOf('=');
    return [word.slice(0, at), word.slice(at + 1)];
}));

export const pairs = (text) => text.split(',').map((word) => word.split(':').map(Number));

// What was read and nobody has asked for yet. Who puts waits while it is long.
export class Queue {
    constructor() {
        this.records = [];
        this.waiting = [];
    }

    async put(record) {
        this.records.push(record);
        while (this.records.length > POLL_RECORDS) await new Promise((resolve) => this.waiting.push(resolve));
    }

    async take() {
        const until = Date.now() + POLL_MS;
        while (this.records.length === 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
        const taken = this.records.splice(0, POLL_RECORDS);
        for (const wake of this.waiting.splice(0)) wake();
        return taken;
    }
}

// All names that an error has, however deep: a client may wrap what the broker said.
export const namesOf = (error) => (error == null ? '' : [error.type, error.apiId, error.message, error.name,
    ...(error.errors ?? []).map(namesOf), namesOf(error.cause), namesOf(error.originalError)].join(' '));

export async function serve(client) {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [verb, ...rest] = line.split(' ');
        let answer;
        try {
            answer = await client[verb](...rest) ?? {};
        } catch (error) {
            answer = { error: namesOf(error).trim(), is_fenced: FENCED.test(namesOf(error)) };
        }
        process.stdout.write(JSON.stringify(answer) + '\n');
    }
    process.exit(0);
}
