/**
 * nftables through libnftables, in-process: the text syntax of nft(8), a whole document as one atomic transaction. A context
 * belongs to the network namespace in which it was opened.
 */
import { NftError } from './errors.js';
import { loadNftLibrary, type NftHandle, type NftLibrary } from './ffi.js';
import { parseAttributes, type Request } from './netlink/message.js';
import type { NetlinkSocket } from './netlink/socket.js';

/** NFT_CTX_OUTPUT_*: nft(8)'s options by their letters. */
const outputFlags: Readonly<Record<string, number>> = {
  s: 1 << 1, // stateless
  a: 1 << 3, // handles
  j: 1 << 4, // JSON
  n: (1 << 6) | (1 << 7) | (1 << 8), // numeric protocol, priority, symbols
  t: 1 << 11, // terse: sets without their elements
};

export class NftContext {
  readonly #library: NftLibrary;
  #ctx: NftHandle | undefined;

  /** `lib` is worth sharing between contexts. Throws MissingLibraryError where libnftables is not installed. */
  constructor(lib: NftLibrary = loadNftLibrary()) {
    this.#library = lib;
    const ctx = lib.open();
    if (ctx === null) throw new NftError('nft_ctx_new failed');
    this.#ctx = ctx;
  }

  /**
   * Applies a document (what `nft -f` reads) or runs a command, and returns what it prints. `options` are letters of
   * nft(8): 'a' handles, 'j' JSON, 'n' numeric, 's' stateless, 't' terse. Throws NftError with nft's own message.
   */
  run(document: string, options = ''): string {
    if (this.#ctx === undefined) throw new NftError('the context is closed');
    if (document.includes('\0')) throw new NftError('NUL byte in the document');
    let flags = 0;
    for (const letter of options) {
      const flag = outputFlags[letter];
      if (flag === undefined) throw new NftError(`unknown option -${letter}`);
      flags |= flag;
    }
    this.#library.setOutputFlags(this.#ctx, flags);
    const result = this.#library.run(this.#ctx, document);
    const output = this.#library.output(this.#ctx);
    const error = this.#library.error(this.#ctx);
    if (result !== 0) throw new NftError(error.trim() === '' ? `nft failed (${result})` : error.trim());
    return output;
  }

  close(): void {
    if (this.#ctx === undefined) return;
    this.#library.free(this.#ctx);
    this.#ctx = undefined;
  }
}

const NFT_MSG_GETGEN = (10 << 8) | 16;
const NFTA_GEN_ID = 1;

const generationRequest: Request = {
  type: NFT_MSG_GETGEN,
  flags: 0,
  header: Buffer.alloc(4),
  attributes: [],
  operation: 'read the generation of the rules',
};

/**
 * A number that every transaction in the socket's namespace counts up, whoever makes it: as long as it stays, the rules are the same
 * (linux/netfilter/nf_tables.h). The socket is one of NETLINK_NETFILTER.
 */
export function nftGeneration(socket: NetlinkSocket): number {
  const answer = socket.get(generationRequest);
  return parseAttributes(answer.payload.subarray(4)).get(NFTA_GEN_ID)?.readUInt32BE(0) ?? 0;
}
