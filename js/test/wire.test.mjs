/** The wire format: what the encoder makes is valid by the schema and equals the samples that the collector's tests read. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import Ajv2020 from 'ajv/dist/2020.js';
import { load } from './bundle.mjs';

const wire = await load('wire');
const contract = new URL('../../tests/contract/', import.meta.url);
const schema = JSON.parse(await readFile(new URL('wire-v1.schema.json', contract), 'utf8'));
const isValid = new Ajv2020.default({ strict: false }).compile(schema);
const samples = (await readdir(contract)).filter((name) => name.endsWith('.json') && name !== 'wire-v1.schema.json');

for (const name of samples) {
  test(`the encoder writes what the contract has in ${name}`, async () => {
    const sample = JSON.parse(await readFile(new URL(name, contract), 'utf8'));
    assert.deepEqual(JSON.parse(wire.encode(sample)), sample);
    assert.ok(isValid(sample), JSON.stringify(isValid.errors));
  });
}

test('a key is in a dictionary once', () => {
  const dictionary = wire.openDictionary();
  const indices = ['#buy', 'main>p:2', '#buy'].map((key) => wire.indexOf(key, dictionary));
  assert.deepEqual(
    [indices, dictionary.entries],
    [
      [0, 1, 0],
      ['#buy', 'main>p:2'],
    ],
  );
});

test('the encoder makes the JSON that JSON.stringify makes, whatever prototypes say', () => {
  Array.prototype.toJSON = () => 'broken';
  try {
    assert.equal(wire.encode({ a: [1, [2, 'x']], b: undefined, c: -0, d: {} }), '{"a":[1,[2,"x"]],"c":0,"d":{}}');
  } finally {
    delete Array.prototype.toJSON;
  }
});

test('text with quotes, backslashes and control characters survives', () => {
  const hard = 'a"b\\c\nd\u0000e\u007f – ä 茶 🫖';
  assert.equal(JSON.parse(wire.encode([hard]))[0], hard);
});

test('steps hold no separator and no control character', () => {
  assert.equal(wire.makeKey(null, 'a>b\u0000c'), 'a b c');
});

test('a key is neither deeper nor longer than the collector takes, and ends with its own step', () => {
  assert.ok(wire.makeKey(null, 'x'.repeat(300)).length <= 200);
  for (const step of ['#a', 'nav', 'div:1', 'y'.repeat(150)]) {
    let key = null;
    for (let depth = 0; depth < 200; depth++) {
      key = wire.makeKey(key, step);
      assert.ok(key.length <= 200 && key.split('>').length <= 64);
      assert.ok(key.endsWith(step));
      assert.ok(!`>${key}>`.includes('>>'));
    }
  }
});

test('random ids have the length that was asked for and differ', () => {
  assert.match(wire.randomHex(16), /^[0-9a-f]{32}$/);
  assert.notEqual(wire.randomHex(8), wire.randomHex(8));
});
