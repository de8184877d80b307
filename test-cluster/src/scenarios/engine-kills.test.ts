/** A few random kills in every run; many in engine-kills.long.ts. */
import { describeEngineKills } from './engine-kills.js';

describeEngineKills({ kills: 8, containers: 6, seed: Number(process.env.KILLS_SEED ?? 4711) });
