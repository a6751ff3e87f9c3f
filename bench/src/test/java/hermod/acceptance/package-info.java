/** Promises to users, proved through the SDK and the command lines against a real broker process over real sockets. */
package hermod.acceptance;
