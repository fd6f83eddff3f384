/** The wire format: what the encoder makes is valid by the schema and equals the samples that the collector's tests read. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import Ajv2020 from 'ajv/dist/2020.js';
import { load } from './bundle.mjs';

const wire = await load('wire');
const contract = new URL('../../tests/contract/', import.meta.url);
const sample = JSON.parse(await readFile(new URL('view-with-clicks.json', contract), 'utf8'));
const schema = JSON.parse(await readFile(new URL('wire-v1.schema.json', contract), 'utf8'));
const isValid = new Ajv2020.default({ strict: false }).compile(schema);

const main = wire.makeKey(null, 'main');
const section = wire.makeKey(main, 'section:2');
const buy = wire.makeKey(null, '#buy');
const text = wire.makeKey(section, 'p:1');
const heading = wire.makeKey(section, 'h2');
const geometry = [1440, 900, 1440, 4200];

function sampleClicks() {
  const common = { geometry, kind: wire.MOUSE, nth: 1 };
  return [
    { ...common, atMs: 3200, key: buy, x: 1020, y: 512, fx: 127, fy: 127, w: 180, h: 48 },
    { ...common, atMs: 3610, key: text, x: 300, y: 1204, fx: 12, fy: 200, w: 640, h: 96 },
  ];
}

function batchOf(clicks) {
  const dictionary = wire.openDictionary();
  const geometries = [];
  for (const key of [buy, main, section, heading, text]) wire.indexOf(key, dictionary);
  const columns = wire.takeClicks(clicks, dictionary, geometries);
  wire.closeGeometries(geometries, geometry);
  return { ...sample, g: geometries, d: dictionary.entries, c: columns };
}

test('the sample of the contract is valid', () => {
  assert.ok(isValid(sample), JSON.stringify(isValid.errors));
});

test('clicks are put into the columns of the contract sample', () => {
  assert.deepEqual(JSON.parse(wire.encode(batchOf(sampleClicks()))), sample);
});

test('an encoded batch is valid by the schema', () => {
  assert.ok(isValid(JSON.parse(wire.encode(batchOf(sampleClicks())))), JSON.stringify(isValid.errors));
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

test('more clicks than fit one batch stay for the next', () => {
  const clicks = Array.from({ length: 600 }, (_, index) => ({ ...sampleClicks()[0], atMs: index }));
  const sizes = [];
  while (clicks.length) sizes.push(wire.takeClicks(clicks, wire.openDictionary(), []).t.length);
  assert.deepEqual(sizes, [250, 250, 100]);
});

test('click times are deltas that add up again', () => {
  const clicks = [5, 5, 900].map((atMs) => ({ ...sampleClicks()[0], atMs }));
  assert.deepEqual(wire.takeClicks(clicks, wire.openDictionary(), []).t, [5, 0, 895]);
});

test('a batch never has more geometries than the schema allows', () => {
  const clicks = Array.from({ length: 100 }, (_, index) => ({ ...sampleClicks()[0], geometry: [index, 1, 1, 1] }));
  const geometries = [];
  wire.takeClicks(clicks, wire.openDictionary(), geometries);
  wire.closeGeometries(geometries, geometry);
  assert.ok(geometries.length <= 64);
  assert.deepEqual(geometries.at(-1), geometry);
});

test('steps hold no separator and no control character, and stay within 200 characters', () => {
  assert.equal(wire.makeKey(null, 'a>b\u0000c').step, 'a%3Eb c');
  assert.equal(wire.makeKey(null, 'x'.repeat(300)).step.length, 200);
  assert.equal(wire.makeKey(null, ' ').step, '?');
});

test('a key begins anew before it is deeper or longer than the collector takes', () => {
  let key = null;
  for (let depth = 0; depth < 200; depth++) {
    key = wire.makeKey(key, 'div:1');
    assert.ok(wire.keyText(key).split('>').length <= 64);
  }
  for (let depth = 0; depth < 30; depth++) {
    key = wire.makeKey(key, 'y'.repeat(200));
    assert.ok(wire.keyText(key).length <= 2000);
  }
});

test('random ids have the length that was asked for and differ', () => {
  assert.match(wire.randomHex(16), /^[0-9a-f]{32}$/);
  assert.notEqual(wire.randomHex(8), wire.randomHex(8));
});
