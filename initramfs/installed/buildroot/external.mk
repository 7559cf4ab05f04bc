include $(sort $(wildcard $(BR2_EXTERNAL_MEASUREROOT_PATH)/package/*/*.mk))
