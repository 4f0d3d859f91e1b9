# Administration: topics, settings, the cluster; and what stands behind it in the server's folder.
weir_test(server_config SOURCES ../test_server_config.c DEPENDS weir_server weir_broker)
weir_test(server_metadata SOURCES test_metadata.c DEPENDS weir_test_server)
weir_test(server_topics SOURCES test_topics.c DEPENDS weir_test_server)
weir_test(server_configs SOURCES test_configs.c DEPENDS weir_test_server)
weir_test(server_admin SOURCES test_admin.c DEPENDS weir_test_server)
