// A promise that fails without anybody listening ends a daemon; in a test it is a failure, and mocha alone would not say so.
process.on('unhandledRejection', (reason) => {
  throw reason;
});
