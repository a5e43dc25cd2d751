import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeCircuits } from './node-circuits.ts';

/** Nodes that have the keys of a hash tag. */
function opened() {
  const nodes = new Map([
    ['a', 'one'],
    ['b', 'one'],
    ['c', 'two'],
  ]);
  const circuits = nodeCircuits(
    (key) => nodes.get(/\{(.)/.exec(key)![1]!)!,
    () => [...nodes.values()],
  );
  const fail = (...keys: string[]) => keys.map((key) => circuits.failed(key));
  return { nodes, circuits, fail };
}

describe('the circuits of nodes', () => {
  it('open after three failures in a row of one node, whatever others answer meanwhile', () => {
    const { circuits, fail } = opened();
    assert.deepEqual(fail('p:{a}1', 'p:{b}1'), [false, false]);
    circuits.answered('p:{c}1');
    assert.equal(circuits.isOpen('p:{a}1'), false);
    assert.deepEqual(fail('p:{a}2', 'p:{a}3'), [true, false]);
    assert.deepEqual(
      ['p:{a}9', 'p:{b}9', 'p:{c}9'].map((key) => circuits.isOpen(key)),
      [true, true, false],
    );
    assert.deepEqual(circuits.openNodes(), ['one']);
  });

  it('forget a node that was replaced before it had failed often enough, and no other', () => {
    const { nodes, circuits, fail } = opened();
    fail('p:{c}1', 'p:{c}1');
    nodes.set('c', 'three');
    fail('p:{a}1', 'p:{a}1');
    nodes.set('c', 'two');
    assert.deepEqual(fail('p:{c}1'), [false], 'it counts anew');
    assert.deepEqual(fail('p:{a}1'), [true], 'the third in a row');
    nodes.set('a', 'four');
    nodes.set('b', 'four');
    fail('p:{b}1');
    assert.deepEqual(circuits.openNodes(), ['one'], 'an open one waits for its probe');
  });

  it('stay closed while every third is answered', () => {
    const { circuits, fail } = opened();
    for (let i = 0; i < 5; i++) {
      assert.deepEqual(fail('p:{a}1', 'p:{a}1'), [false, false]);
      circuits.answered('p:{b}1');
    }
    assert.deepEqual(circuits.openNodes(), []);
  });

  it('close with the answer to a probe of a key beside, and not with one that was on its way', () => {
    const { circuits, fail } = opened();
    fail('p:{a}1', 'p:{a}1', 'p:{b}:x');
    circuits.answered('p:{a}1');
    assert.deepEqual(circuits.probes(), ['p:{b}probe']);
    assert.ok(circuits.isOpen('p:{a}1'));
    circuits.probed('p:{b}probe');
    assert.equal(circuits.isOpen('p:{a}1'), false);
    assert.deepEqual(fail('p:{a}1', 'p:{a}1', 'p:{a}1'), [false, false, true], 'it counts anew');
  });

  it('let through the keys that another node has taken over, and end when it answers the probe', () => {
    const { nodes, circuits, fail } = opened();
    fail('p:{a}1', 'p:{a}1', 'p:{a}1');
    nodes.set('a', 'three');
    assert.equal(circuits.isOpen('p:{a}1'), false);
    assert.equal(circuits.isOpen('p:{b}1'), true);
    for (const probe of circuits.probes()) circuits.probed(probe);
    assert.equal(circuits.isOpen('p:{b}1'), false);
  });

  it('learn nothing from commands without a key', () => {
    const { circuits } = opened();
    for (let i = 0; i < 5; i++) assert.equal(circuits.failed(null), false);
    assert.equal(circuits.isOpen(null), false);
  });
});
