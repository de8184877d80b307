/** Names for what nobody named: an adjective and a noun, joined as Docker joins its own. */
import type { Random } from './clock.js';

const ADJECTIVES =
  `agile amber ample apt bold brave bright brisk calm candid clear clever cosy crisp curious dapper deft eager early
earnest even fair fleet fond frank fresh gentle glad golden grand handy hardy hearty honest humble jolly keen kind lively
loyal lucid lucky mellow merry mild mindful modest neat nimble noble patient placid plain polite prompt proud quick quiet
ready robust rosy royal serene sharp silent silver sleek smart snug sober solid sound spry stable steady stout sturdy subtle
sunny sure swift tender tidy trim true trusty upbeat valiant vivid warm wise witty young zesty`.split(/\s+/);

const NOUNS =
  `acorn alder anchor anvil apple arbor aspen badger basin beacon beaver birch bison bobbin bramble breeze bridge brook
canoe canyon cedar cherry cliff clover comet compass coral cove crane creek crest cricket delta dolphin dune eagle ember falcon
fern ferry finch fjord forest fox garden geyser glacier glade grove gull harbour hazel heath hedge heron hill ibis
inlet island ivy juniper kestrel kite lagoon lake lantern larch lark ledge lily linden lynx maple marsh meadow mesa moor moss
oak oasis ocean orchard otter owl pebble pine plover pond poplar prairie quail quarry raven reef ridge river robin rowan sail
saddle shore sparrow spring spruce summit swallow thicket thistle thrush tide trail valley willow wren yarrow`.split(
    /\s+/,
  );

/** More tries than that mean that most names are taken: a number makes new ones. */
const TRIES = 20;

/** A random name that nobody has yet. */
export function unusedName(random: Random, isTaken: (name: string) => boolean): string {
  for (let i = 0; i < TRIES; i++) {
    const name = randomName(random);
    if (!isTaken(name)) return name;
  }
  const base = randomName(random);
  for (let n = 2; ; n++) if (!isTaken(`${base}${n}`)) return `${base}${n}`;
}

/** "quiet_harbour"; there are some ten thousand, so a taken one is to be expected. */
export function randomName(random: Random): string {
  return `${pick(ADJECTIVES, random)}_${pick(NOUNS, random)}`;
}

function pick(words: readonly string[], random: Random): string {
  return words[Math.floor(random() * words.length)] ?? '';
}
