/** A place outside of the cluster where messages are kept in order. What is acknowledged is kept; what is not is sent again. */

export interface BusMessage {
  readonly subject: string;
  /** The bus drops a message whose id it has seen a short while ago. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: string;
}

export type BusStream = 'events' | 'logs';

export interface Bus {
  /** Resolves when the message is kept. Throws SwarmtsError 'unavailable'. */
  publish(message: BusMessage): Promise<void>;
  /** Headers of the last message that is kept under a subject, which may hold wildcards. Throws SwarmtsError 'unavailable'. */
  lastHeaders(stream: BusStream, subject: string): Promise<Readonly<Record<string, string>> | undefined>;
  close(): Promise<void>;
}

/** Subjects: `swarmts.<cluster>.events.<type>.<action>` and `swarmts.<cluster>.logs.<service>.<task>`. */
export function subjectOf(clusterId: string, stream: BusStream, ...tokens: readonly string[]): string {
  return ['swarmts', clusterId, stream, ...tokens.map(token)].join('.');
}

/** Dots divide subjects; blanks and wildcards are not for names. */
function token(text: string): string {
  return text.replaceAll(/[\s.*>]/g, '_') || '_';
}
