/** Types of /bell.js; that file says more of each member. */
