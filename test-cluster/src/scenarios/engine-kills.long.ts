/** Two hundred random kills beside twenty containers; KILLS_SEED replays the choices. */
import { describeEngineKills } from './engine-kills.js';

describeEngineKills({ kills: 200, containers: 20, seed: Number(process.env.KILLS_SEED ?? Date.now() % 1_000_000) });
