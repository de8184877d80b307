import { describeChurn } from './network-churn.js';

describeChurn({ networks: 20, replicas: 10, rounds: 10 });
