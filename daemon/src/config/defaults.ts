/** Where the daemon is, and what belongs to it, unless somebody says otherwise. */
export const DEFAULT_HOST = 'unix:///run/swarmts/swarmts.sock';
export const DEFAULT_GROUP = 'swarmts';
export const DEFAULT_CONFIG_FILE = '/etc/swarmts/daemon.json';
