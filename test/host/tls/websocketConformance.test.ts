/** The WebSocket table once more, over wss. */
process.env['C10M_TEST_TLS'] = '1';
await import('../websocketConformance.test.js');

export {};
