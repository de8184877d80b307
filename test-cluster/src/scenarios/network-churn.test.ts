import { describeChurn } from './network-churn.js';

describeChurn({ networks: 3, replicas: 6, rounds: 3 });
